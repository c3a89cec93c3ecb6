"""How much is logged: of our own records, and of the server and its parts."""

from __future__ import annotations

import logging

SERVER_PARTS = ("daphne", "asyncio", "twisted")


def level_of_server_parts(log_level: str) -> str:
    """Their start-up chatter is of use to those who look for trouble only."""
    return "DEBUG" if log_level == "DEBUG" else "WARNING"


def set_log_level(log_level: str) -> None:
    """Log from this level on, in this process."""
    logging.getLogger().setLevel(log_level)
    for name in SERVER_PARTS:
        logging.getLogger(name).setLevel(level_of_server_parts(log_level))
