"""What gpumon is compared with: the least page and the least Django view that show the same."""
