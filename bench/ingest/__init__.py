"""What `ingest` compares: the consumer of agents, and a bare server that receives and decodes the same bytes."""
