"""What is wrong with an edit, in words that a person can act on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field and what is wrong with it.

    Attributes:
        field: as the API calls it; empty when the edit as a whole is meant.
        message: finishes the sentence that begins with the field: ``is already taken``.
    """

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field} {self.message}".strip()


class EditRefused(Exception):
    """An edit that did not happen, because of what it says."""


class Invalid(EditRefused):
    """An edit with errors: one a field, and nothing was changed.

    Attributes:
        errors: at least one.
    """

    def __init__(self, errors: Iterable[FieldError]) -> None:
        self.errors = tuple(errors)
        super().__init__("; ".join(str(error) for error in self.errors))


class NotFound(EditRefused):
    """What was to be changed does not exist.

    Attributes:
        what: a kind and a name: ``user 200``.
    """

    def __init__(self, what: str) -> None:
        super().__init__(f"there is no {what}")
        self.what = what
