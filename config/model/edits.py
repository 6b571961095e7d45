"""One edit of something that is configured."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class Do(enum.Enum):
    """What an edit does."""

    ADD = "add"  # a new thing
    CHANGE = "change"  # the fields that are said
    PUT = "put"  # a thing, new or not, whose other fields are as by default
    REMOVE = "remove"


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What is to happen to one thing.

    Attributes:
        do: what.
        kind: of the thing; ``user`` too.
        name: of the thing.
        fields: as the API says them.
        position: the place that an ordered thing is to have, from 1; None leaves it where it
            is, a new one at the end.
    """

    do: Do
    kind: str
    name: str
    fields: Mapping[str, Any] = field(default_factory=dict, repr=False)
    position: int | None = None
