"""Tests of gpumon_site: settings, static files, headers, commands."""
