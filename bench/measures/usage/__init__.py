"""What the usage ledger costs."""
