"""How costs grow with GPUs, processes, clients, hosts and history: one table, with the exponent between neighboring sizes."""
