"""What the machine says about names: /etc/hosts, and the name servers in /etc/resolv.conf.

Both are read again when they change. They are small files of the machine's own administrator.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from sipx.core.locating import Kind
from sipx.net.resolver.query import Server

PORT: Final = 53
MOST_SERVERS: Final = 3  # of resolv.conf, as the system's own resolver has it
HOSTS: Final = Path("/etc/hosts")
RESOLV_CONF: Final = Path("/etc/resolv.conf")
LARGEST_FILE: Final = 4 * 1024 * 1024  # bytes; some keep lists of what they block in /etc/hosts


class Watched:
    """The lines of a file, read again when it has changed; none while it cannot be read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = (-1, -1)

    def changed(self) -> list[list[str]] | None:
        """The words of each line, comments left out; None when nothing has changed."""
        try:
            found = self._path.stat()
            stamp = (found.st_mtime_ns, found.st_size)
            if stamp == self._stamp:
                return None
            with self._path.open(encoding="utf-8", errors="replace") as file:
                text = file.read(LARGEST_FILE)
        except OSError:
            if self._stamp is None:
                return None
            self._stamp = None
            return []
        self._stamp = stamp
        return [line.partition("#")[0].split() for line in text.splitlines()]


class Hosts:
    """The names in /etc/hosts."""

    def __init__(self, path: Path = HOSTS) -> None:
        self._file = Watched(path)
        self._names: dict[str, tuple[list[str], list[str]]] = {}
        self.refresh()

    def refresh(self) -> None:
        """Read the file if it has changed."""
        lines = self._file.changed()
        if lines is None:
            return
        self._names = {}
        for words in lines:
            try:
                address = ip_address(words[0]) if words else None
            except ValueError:
                continue
            for name in words[1:] if address else ():
                places = self._names.setdefault(name.lower().rstrip("."), ([], []))
                places[address.version == 6].append(str(address))  # type: ignore[union-attr]

    def find(self, name: str, kind: Kind) -> Sequence[str] | None:
        """The addresses of a name, of one family; None when the file does not know the name."""
        found = self._names.get(name)
        if found is None or kind not in {Kind.A, Kind.AAAA}:
            return None
        return found[kind is Kind.AAAA]


class Servers:
    """The name servers: those that were given, else those of /etc/resolv.conf."""

    def __init__(self, given: Sequence[Server] = (), path: Path = RESOLV_CONF) -> None:
        self._file = None if given else Watched(path)
        self._servers: Sequence[Server] = tuple(given)
        self.refresh()

    def refresh(self) -> None:
        """Read the file if it has changed."""
        lines = None if self._file is None else self._file.changed()
        if lines is None:
            return
        found: list[Server] = []
        for words in lines:
            if len(words) < 2 or words[0] != "nameserver":
                continue
            try:
                found.append((str(ip_address(words[1].partition("%")[0])), PORT))
            except ValueError:
                continue
        # Without any the system's own resolver asks this machine too.
        self._servers = tuple(found[:MOST_SERVERS]) or (("127.0.0.1", PORT),)

    def all(self) -> Sequence[Server]:
        """Address and port of each, in order."""
        return self._servers
