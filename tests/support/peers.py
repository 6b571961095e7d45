"""Programs that play the other side in system tests, and what happens when one is missing."""

from __future__ import annotations

import os
import shutil
from unittest import SkipTest

PACKAGES = {"sipp": "sip-tester", "baresip": "baresip"}


def require(program: str) -> str:
    """Find a peer program.

    Returns:
        Its path.

    Raises:
        SkipTest: it is not installed.
        AssertionError: it is not installed although SIPX_REQUIRE_PEERS=1 demands it.
    """
    path = shutil.which(program)
    if path:
        return path
    package = PACKAGES[program]
    absence = f"{program} is missing: install the package {package}, or all peers: `make peers`."
    if os.environ.get("SIPX_REQUIRE_PEERS") == "1":
        raise AssertionError(absence)
    raise SkipTest(absence)
