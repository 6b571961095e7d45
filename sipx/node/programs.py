"""How a person starts the programs that are installed with this one."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path


def typed(name: str) -> str:
    """Give what a person types for a program of this environment.

    Args:
        name: such as ``sipx``.

    Returns:
        The name where the search path leads to it; else its whole path, quoted for a shell.
    """
    beside = Path(sys.executable).parent / name
    if not beside.is_file():
        return name
    found = shutil.which(name)
    if found is not None and Path(found).samefile(beside):
        return name
    return shlex.quote(str(beside))
