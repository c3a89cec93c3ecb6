"""The Django admin of gpumon: one file a subject."""
