"""The links of a GPU: PCIe to the host, NVLink to other GPUs."""
