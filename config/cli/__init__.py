"""The `sipx` command, a client of the REST API.

Standard library only, and little of it: a command answers before somebody notices that it
was started.
"""

from __future__ import annotations

from config.cli.command import main

__all__ = ["main"]
