"""What a hub missed of a host, counted when it arrives."""
