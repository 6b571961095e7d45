"""Why a node does not start: one sentence for the person who started it."""

from __future__ import annotations


class StartError(Exception):
    """The node cannot start; the message is the one sentence that says why and what to do."""
