"""The state of a node's parts, in words, and its numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.logger import Logger
from zope.interface import implementer

from sipx.interfaces import IHealth

log = Logger()


@implementer(IHealth)
class Health:
    """What the parts said last; parts and gauges are named by code, never by a peer."""

    def __init__(self) -> None:
        self._parts: dict[str, dict[str, Any]] = {}
        self._gauges: dict[str, tuple[Callable[[], float], float | None]] = {}

    def set(self, part: str, ok: bool, text: str) -> None:
        before = self._parts.get(part)
        self._parts[part] = {"ok": ok, "text": text}
        if before is None or before["ok"] != ok:
            (log.info if ok else log.error)("{part}: {text}", part=part, text=text)

    def gauge(self, name: str, read: Callable[[], float], limit: float | None = None) -> None:
        self._gauges[name] = (read, limit)

    def report(self) -> Mapping[str, Any]:
        return {
            "ok": all(part["ok"] for part in self._parts.values()),
            "parts": {name: dict(self._parts[name]) for name in sorted(self._parts)},
            "gauges": {name: self._read(name) for name in sorted(self._gauges)},
        }

    def _read(self, name: str) -> dict[str, float | None]:
        read, limit = self._gauges[name]
        value: float | None = None
        try:
            value = read()
        except Exception:
            log.failure("gauge {name} could not be read", name=name)
        return {"value": value, "limit": limit}
