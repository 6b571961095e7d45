"""Talks to the API of the node whose state folder this is."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from config.cli.errors import CommandError
from sipx.node.programs import typed

TIMEOUT: Final = 60.0  # seconds without an octet: a database that is locked takes some
PAGE: Final = 1000  # values in one answer


class Refused(CommandError):
    """The node refuses.

    Attributes:
        errors: what is wrong field by field, as the API says it.
    """

    def __init__(self, message: str, problem: Any) -> None:
        super().__init__(message)
        found = problem.get("errors") if isinstance(problem, dict) else None
        self.errors: list[dict[str, Any]] = found if isinstance(found, list) else []


class Client:
    """One connection to a node.

    Args:
        state: its state folder.

    Raises:
        CommandError: no node runs there, or it may not be asked.
    """

    def __init__(self, state: Path) -> None:
        self._state = state
        url = _read(state, state / "api.json")
        token = _read(state, state / "api-token").strip()
        try:
            parts = urlsplit(json.loads(url)["url"])
            host, port = parts.hostname, parts.port
        except (ValueError, KeyError, TypeError) as error:
            raise CommandError(f"{state / 'api.json'} is damaged: restart the node.") from error
        self._base = parts.path
        self._headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        self._connection = http.client.HTTPConnection(host or "", port, timeout=TIMEOUT)

    def ask(
        self,
        method: str,
        *path: str,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
    ) -> Any:
        """Call an operation.

        Args:
            method: of HTTP.
            path: its parts, as they are.
            query: parameters; those that are None are left out.
            body: a JSON value.

        Returns:
            The JSON value of the answer; None when it has none.

        Raises:
            CommandError: the node cannot be reached, or refuses.
        """
        target = self._base + "/".join(_quoted(part) for part in path)
        if given := {name: value for name, value in (query or {}).items() if value is not None}:
            target += "?" + urlencode(given)
        headers = dict(self._headers)
        octets = None
        if body is not None:
            octets = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        try:
            self._connection.request(method, target, octets, headers)
            response = self._connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise CommandError(_unreachable(self._state, error)) from error
        value = _value(answer)
        if response.status >= 400:
            raise Refused(_refusal(response.status, value), value)
        return value

    def every(
        self, name: str, *path: str, query: Mapping[str, Any], page: str, most: int | None = None
    ) -> Iterator[Any]:
        """Go through a list that comes in pages.

        Args:
            name: the member of the answer that is the list.
            path: of the operation.
            query: its parameters.
            page: the parameter that asks for the next page.
            most: how many values at most.
        """
        after: Any = None
        left = most
        while left is None or left > 0:
            limit = PAGE if left is None else min(PAGE, left)
            asked = {**query, "limit": limit}
            if after is not None:
                asked[page] = after
            answer = self.ask("GET", *path, query=asked)
            yield from answer[name]
            after = answer["next"]
            if after is None:
                return
            if left is not None:
                left -= limit


def _quoted(part: str) -> str:
    """Write a part of a path; dots too, because alone they would be taken out of it."""
    # Octets that are not UTF-8 as the API shows them.
    return quote(part, safe="", errors="replace").replace(".", "%2E")


def _read(state: Path, file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise CommandError(_not_running(state)) from error
    except PermissionError as error:
        raise CommandError(
            f"{file} may not be read: run this as the user that runs the node."
        ) from error
    except (OSError, ValueError) as error:
        raise CommandError(f"{file} cannot be read: {error}.") from error


def _not_running(state: Path) -> str:
    return (
        f"No node is running at {state.absolute()}: start one with"
        f" `{typed('twistd')} -n sipx --state {state}`, or name its folder with --state."
    )


def _unreachable(state: Path, error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError):
        return _not_running(state)
    if isinstance(error, TimeoutError):
        return f"The node at {state} does not answer; `{typed('sipx')} health` later says more."
    why = str(error) or type(error).__name__
    return f"The node at {state} broke off: {why}."


def _value(answer: bytes) -> Any:
    if not answer.strip():
        return None
    try:
        return json.loads(answer)
    except ValueError as error:
        raise CommandError("What answers there is not a node of sipx.") from error


def _refusal(status: int, value: Any) -> str:
    if isinstance(value, dict) and isinstance(value.get("detail"), str):
        errors = value.get("errors")
        if isinstance(errors, list) and errors:
            return "; ".join(f"{one.get('field')} {one.get('message')}" for one in errors) + "."
        return str(value["detail"])
    return f"The node answers {status}."
