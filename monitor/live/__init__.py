"""From snapshots to open sockets: one frame a tick for everybody, and none for nobody."""
