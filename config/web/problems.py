"""Errors as the API says them: RFC 9457 problem details, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from config.model.errors import FieldError, Invalid


class Problem(Exception):
    """A request that is not done, and why.

    Attributes:
        status: the HTTP status.
        detail: one sentence.
        errors: what is wrong field by field, when that is the reason.
        headers: more headers of the response.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, detail)
        self.status = status
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = headers or {}

    def body(self) -> dict[str, Any]:
        """Give the members of the problem object."""
        body: dict[str, Any] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors:
            body["errors"] = [
                {"field": error.field, "message": error.message} for error in self.errors
            ]
        return body


def invalid(found: Invalid) -> Problem:
    """Say what is wrong with an edit."""
    return Problem(422, f"Nothing was changed: {found}.", found.errors)
