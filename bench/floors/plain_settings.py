"""gpumon's own settings with one more page, for the floor of `first_response`."""

from gpumon_site.settings import *  # noqa: F403

ROOT_URLCONF = "bench.floors.plain_urls"
