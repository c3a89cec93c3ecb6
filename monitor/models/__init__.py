"""What is kept in the database: one file a subject."""

from __future__ import annotations

from monitor.models.site_settings import SiteSettings

__all__ = ["SiteSettings"]
