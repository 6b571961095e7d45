"""The slice of the configuration that routing needs.

Frozen; ``config.compile`` makes it, ``config.commands`` swaps it in whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RoutingSnapshot:
    """What numbers and names mean in one version of the configuration.

    Attributes:
        version: of the configuration; call records name it.
        names: every dialable name or alias to the name of the user who owns it; a user's
            own name is in it too.
    """

    version: int = 0
    names: Mapping[str, str] = field(default_factory=dict)
