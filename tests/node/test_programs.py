"""What a person is told to type."""

from __future__ import annotations

import os
import shlex
import sys

from twisted.trial.unittest import SynchronousTestCase

from sipx.node.programs import typed
from tests.node.parts import folder


class TypedTests(SynchronousTestCase):
    """A program of an environment."""

    def test_typed(self) -> None:
        """The name is enough where the path leads to it; another program is not it."""
        ours, theirs = folder() / "our bin", folder()
        ours.mkdir()
        for one in (ours, theirs):
            (one / "sipx").touch(0o755)
        self.patch(sys, "executable", str(ours / "python3"))
        whole = shlex.quote(str(ours / "sipx"))
        for path, said in (
            (str(ours), "sipx"),
            (f"{theirs}:{ours}", whole),
            ("/nowhere", whole),
        ):
            self.patch(os, "environ", {**os.environ, "PATH": path})
            self.assertEqual(typed("sipx"), said)
        self.assertEqual(typed("other"), "other")
