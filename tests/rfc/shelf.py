"""The published torture messages: on a shelf beside the checkout, never in it.

``../shared/rfc`` of the checkout, or of the one that a git worktree belongs to; another place is
named by the environment variable ``SIPX_RFC_SHELF``. Tests that read it skip where it is missing.
"""

from __future__ import annotations

import os
from pathlib import Path

TOP = Path(__file__).parents[2]


def _checkouts() -> list[Path]:
    """This checkout, and the one whose worktree it is."""
    found = [TOP]
    pointer = TOP / ".git"
    if pointer.is_file():  # of a worktree: "gitdir: CHECKOUT/.git/worktrees/NAME"
        folder = Path(pointer.read_text().partition("gitdir:")[2].strip())
        found += [parent.parent for parent in folder.parents if parent.name == ".git"]
    return found


def find_shelf() -> Path | None:
    """Find the folder that holds ``rfc4475`` and ``rfc5118``; None where it is missing."""
    named = os.environ.get("SIPX_RFC_SHELF")
    places = [Path(named)] if named else [top.parent / "shared" / "rfc" for top in _checkouts()]
    return next((place for place in places if (place / "rfc4475").is_dir()), None)
