"""The version of this program: of the wheel, the pages and the API."""

__version__ = "0.1.0"
