"""From snapshots to WebSockets: each message is made once per tick for all clients, and not at all without clients."""
