"""Who held which GPU, for how long and with what effect: the ledger and the reports made from it."""
