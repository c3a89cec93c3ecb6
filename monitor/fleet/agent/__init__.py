"""The agent: a sampler, and one WebSocket to a hub. Without Django, so that it needs little memory."""
