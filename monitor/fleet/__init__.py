"""Other hosts: an agent on each sends its snapshots to this hub. `agent/` is the agent's side."""
