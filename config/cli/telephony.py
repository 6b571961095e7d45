"""The commands that look at a node at work."""

from __future__ import annotations

import shutil
from argparse import Namespace
from collections.abc import Callable
from typing import Any, Final

from config.cli.client import Client
from config.cli.errors import CommandError
from config.cli.output import Output, local_time, safe

Connect = Callable[[], Client]

NARROWEST_TERMINAL: Final = 80  # columns; a narrower one breaks lines

_REGISTRATIONS: Final = (
    ("USER", "user"),
    ("CONTACT", "contact"),
    ("Q", "q"),
    ("EXPIRES IN", "expires_in"),
    ("FLOW", "flow"),
    ("USER AGENT", "user_agent"),
)
_CALLS: Final = (
    ("START", "start"),
    ("CALLER", "caller"),
    ("DIALED", "dialed"),
    ("CALLEE", "callee"),
    ("RESULT", "outcome"),
    ("SECONDS", "duration"),
    ("CALL-ID", "call_id"),
)
_TRACED: Final = (
    ("TIME", "time"),
    ("METHOD", "method"),
    ("MESSAGES", "messages"),
    ("CALL-ID", "call_id"),
)


def registrations(connect: Connect, output: Output, asked: Namespace) -> None:
    """List registrations."""
    found = connect().every(
        "registrations", "registrations", query={"user": asked.user}, page="offset"
    )
    if output.is_json:
        output.json(list(found))
    else:
        output.table(_REGISTRATIONS, found)


def calls(connect: Connect, output: Output, asked: Namespace) -> None:
    """List active calls."""
    found = connect().ask("GET", "calls", query={"limit": 1000})["calls"]
    _show_calls(output, found)


def records(connect: Connect, output: Output, asked: Namespace) -> None:
    """List call records."""
    if asked.limit < 1:
        raise CommandError("--limit takes a number from 1.")
    query = {"before": asked.before, "user": asked.user, "call_id": asked.call_id}
    found = connect().every("records", "cdr", query=query, page="before", most=asked.limit)
    _show_calls(output, list(found))


def trace(connect: Connect, output: Output, asked: Namespace) -> None:
    """Draw a call, or list the calls that can be drawn."""
    if asked.call_id is None:
        traced = connect().ask("GET", "traces")["calls"]
        if output.is_json:
            output.json(traced)
        else:
            shown = [{**call, "time": local_time(call.get("time"))} for call in traced]
            output.table(_TRACED, shown)
        return
    messages = connect().ask("GET", "traces", asked.call_id)["messages"]
    if output.is_json:
        output.json(messages)
    elif asked.raw:
        for message in messages:
            output.say(
                f"--- {safe(message['time'])} {safe(message['source'])} ->"
                f" {safe(message['destination'])} {safe(message['transport'])}"
            )
            output.say(safe(message["text"].replace("\r\n", "\n"), keep="\n\t"))
    else:
        from config.cli.ladder import ladder

        columns = max(NARROWEST_TERMINAL, shutil.get_terminal_size().columns)
        for line in ladder(messages, columns):
            output.say(line)


def health(connect: Connect, output: Output, asked: Namespace) -> int:
    """Say how the node is; the status is 1 when it is not well."""
    report = connect().ask("GET", "health")
    if output.is_json:
        output.json(report)
    else:
        output.say("well" if report["ok"] else "not well")
        parts = [
            {"part": name, "state": "ok" if part["ok"] else "FAILS", "text": part["text"]}
            for name, part in report["parts"].items()
        ]
        output.table((("PART", "part"), ("STATE", "state"), ("", "text")), parts)
        gauges = [{"gauge": name, **_gauge(gauge)} for name, gauge in report["gauges"].items()]
        output.say("")
        output.table((("GAUGE", "gauge"), ("VALUE", "value"), ("LIMIT", "limit")), gauges)
    return 0 if report["ok"] else 1


def _gauge(gauge: Any) -> dict[str, Any]:
    return dict(gauge) if isinstance(gauge, dict) else {"value": gauge}


def _show_calls(output: Output, found: list[dict[str, Any]]) -> None:
    if output.is_json:
        output.json(found)
        return
    shown = [
        {**call, "start": local_time(call["start"]), "outcome": _outcome(call)} for call in found
    ]
    output.table(_CALLS, shown)


def _outcome(call: dict[str, Any]) -> str:
    if call["failure_code"]:
        return f"{call['result']} {call['failure_code']} {call['failure_reason']}"
    return str(call["result"])
