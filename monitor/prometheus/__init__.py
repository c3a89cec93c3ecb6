"""/metrics: the newest snapshot in Prometheus' formats, in gpumon's own names or those of other exporters."""
