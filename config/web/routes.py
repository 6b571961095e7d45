"""How an operation of the API is declared, and what every one of them goes through.

An operation is a method with ``@operation``: its path, its HTTP method, who may call it and
which query parameters it takes.  Klein finds it; this module checks the rest, reads the
body, and makes JSON of what it gives and a problem of what it raises.
"""

from __future__ import annotations

import enum
import hmac
import inspect
import json
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl

from klein import Klein
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.routing import BaseConverter

from config.commands.interfaces import Outdated
from config.model.errors import Invalid, NotFound
from config.storage.errors import StorageError
from config.web.problems import Problem, invalid

log = Logger()

PARAMETERS_LIMIT: Final = 16  # no operation takes as many
JSON: Final = "application/json"
CSV: Final = "text/csv"


class Access(enum.Enum):
    """Who may call an operation."""

    PUBLIC = enum.auto()  # anybody who reaches the port
    ADMIN = enum.auto()  # who has the bearer token


@dataclass(frozen=True, slots=True)
class Asked:
    """A request after all checks.

    Attributes:
        query: its query parameters, only such as the operation declares.
        body: the JSON value of its body, or its text when the operation takes CSV; None
            when there is none.
        actor: who asks, for the audit.
    """

    query: Mapping[str, str]
    body: Any
    actor: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A response that is not just 200 and a value.

    Attributes:
        value: of JSON; None for a response without a body.
        status: the HTTP status.
        headers: more headers.
    """

    value: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Operation:
    """What an operation declares.

    Attributes:
        method: of HTTP.
        path: as Klein takes it.
        access: who may call it.
        query: parameters it takes.
        body: media types of the body that it takes; the first one is assumed when the
            request names none.
    """

    method: str
    path: str
    access: Access
    query: tuple[str, ...] = ()
    body: tuple[str, ...] = ()


Handler = Callable[..., Coroutine[Any, Any, Any]]
F = TypeVar("F", bound=Handler)


def operation(
    method: str,
    path: str,
    *,
    access: Access,
    query: tuple[str, ...] = (),
    body: tuple[str, ...] = (),
) -> Callable[[F], F]:
    """Declare a method to be an operation; see Operation."""

    def declare(handler: F) -> F:
        handler.operation = Operation(method, path, access, query, body)  # type: ignore[attr-defined]
        return handler

    return declare


def operations(part: object) -> Iterator[tuple[Operation, Handler]]:
    """Find the operations of an object."""
    for _, method in inspect.getmembers(part, inspect.ismethod):
        declared = getattr(method, "operation", None)
        if declared is not None:
            yield declared, method


class _WholeRest(BaseConverter):
    """The rest of the path, slashes and all: a Call-ID may hold any of them."""

    regex = ".+"
    part_isolating = False
    weight = 200


class Api:
    """All operations as one Klein application.

    Args:
        parts: objects with operations.
        token: the bearer token.
        where: where an administrator finds the token.
    """

    def __init__(self, parts: Collection[object], token: str, where: str) -> None:
        self._token = token.encode()
        self._where = where
        self.app = Klein()
        self.app.url_map.converters["rest"] = _WholeRest
        # What the path says is a name, to be taken as it is.
        self.app.url_map.merge_slashes = False
        for part in parts:
            for declared, handler in operations(part):
                self._add(declared, handler)
        self.app.handle_errors(HTTPException)(_unrouted)

    def _add(self, declared: Operation, handler: Handler) -> None:
        def run(request: Any, **path: str) -> Deferred[bytes]:
            return Deferred.fromCoroutine(self._run(declared, handler, request, path))

        run.operation = declared  # type: ignore[attr-defined]
        self.app.route(
            declared.path,
            methods=[declared.method],
            endpoint=f"{declared.method} {declared.path}",
        )(run)

    async def _run(
        self, declared: Operation, handler: Handler, request: Any, path: Mapping[str, str]
    ) -> bytes:
        try:
            if declared.access is not Access.PUBLIC:
                self._authorize(request)
            asked = Asked(
                _query(request, declared.query), _body(request, declared.body), "api token"
            )
            answer = await handler(asked, **path)
        except CancelledError:
            raise  # nobody is there to hear it
        except Exception as error:
            return write_problem(request, _problem(error, declared))
        if not isinstance(answer, Answer):
            answer = Answer(answer)
        request.setResponseCode(answer.status)
        for name, value in answer.headers.items():
            request.setHeader(name, value)
        return b"" if answer.value is None else write_json(request, JSON, answer.value)

    def _authorize(self, request: Any) -> None:
        given = request.getHeader(b"authorization") or b""
        scheme, _, token = given.strip().partition(b" ")
        if scheme.lower() == b"bearer" and hmac.compare_digest(token.strip(), self._token):
            return
        missing = "needs" if not given else "needs the right token:"
        raise Problem(
            401,
            f"This {missing} a header `Authorization: Bearer TOKEN`; the token is in"
            f" {self._where}.",
            headers={"WWW-Authenticate": 'Bearer realm="sipx"'},
        )


def write_json(request: Any, media_type: str, value: Any) -> bytes:
    """Give a value as the body of a response."""
    request.setHeader("Content-Type", media_type)
    # Octets that were not UTF-8 on the wire are lone surrogates, which no JSON may hold.
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace") + b"\n"


def write_problem(request: Any, problem: Problem) -> bytes:
    """Give a problem as the response."""
    request.setResponseCode(problem.status)
    for name, value in problem.headers.items():
        request.setHeader(name, value)
    return write_json(request, "application/problem+json", problem.body())


def _unrouted(request: IRequest, failure: Failure) -> bytes:
    error = failure.value
    assert isinstance(error, HTTPException)
    if isinstance(error, MethodNotAllowed):
        allowed = ", ".join(sorted(error.valid_methods or ()))
        return write_problem(
            request,
            Problem(405, f"This address takes only {allowed}.", headers={"Allow": allowed}),
        )
    return write_problem(
        request, Problem(404, "There is nothing at this address; the API begins at /api/v1/.")
    )


def _problem(error: Exception, declared: Operation) -> Problem:
    match error:
        case Problem():
            return error
        case Invalid():
            return invalid(error)
        case NotFound():
            return Problem(404, f"There is no {error.what}.")
        case Outdated():
            return Problem(409, f"Nothing was changed: {error}; look at it, then try again.")
        case StorageError():
            log.error("the database failed: {error}", error=error)
            return Problem(
                503, "The database does not answer at the moment; nothing was changed. Try again."
            )
    log.failure(
        "{method} {path} failed",
        failure=Failure(error),
        method=declared.method,
        path=declared.path,
    )
    return Problem(500, "The node failed at this; its log says why.")


def _query(request: Any, known: tuple[str, ...]) -> Mapping[str, str]:
    _, _, text = request.uri.partition(b"?")
    try:
        pairs = parse_qsl(
            text.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=PARAMETERS_LIMIT,
        )
    except ValueError as error:
        raise Problem(400, "The query of this address cannot be read.") from error
    found: dict[str, str] = {}
    for name, value in pairs:
        if name not in known:
            takes = f"it takes {', '.join(known)}" if known else "it takes none"
            raise Problem(400, f"There is no query parameter {name[:40]!a} here; {takes}.")
        if name in found:
            raise Problem(400, f"The query parameter {name} is there twice.")
        found[name] = value
    return found


def _body(request: Any, takes: tuple[str, ...]) -> Any:
    octets = request.content.read()
    if not takes:
        if octets:
            raise Problem(400, "This takes no body.")
        return None
    given = (request.getHeader(b"content-type") or takes[0].encode()).decode("ascii", "replace")
    media_type, _, parameters = given.partition(";")
    media_type = media_type.strip().lower()
    if media_type not in takes:
        raise Problem(415, f"The body must be {' or '.join(takes)}.")
    charset = parameters.replace(" ", "").replace('"', "").lower()
    if charset not in ("", "charset=utf-8"):
        raise Problem(415, "The body must be UTF-8.")
    if media_type == CSV:
        return octets.decode("utf-8", "surrogateescape")
    try:
        return json.loads(octets.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Problem(400, "The body is not JSON.") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
