"""The floors gpumon is compared with: a minimal page and a minimal Django view that show the same."""
