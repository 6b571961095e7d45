"""What ends a command."""

from __future__ import annotations


class CommandError(Exception):
    """The command failed; the message is one sentence for stderr."""
