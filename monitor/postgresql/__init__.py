"""PostgreSQL as gpumon uses it: connections that cannot hang, what errors mean, and one server per database."""
