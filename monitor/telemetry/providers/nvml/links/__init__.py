"""The links of a GPU: PCIe to the host, NVLink to other GPUs, and the fabric that NVSwitches make of them."""
