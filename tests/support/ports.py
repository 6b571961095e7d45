"""Free ports on the loopback address, never the same one twice, whichever test process asks.

A port given out is reserved under an abstract Unix socket name until the process that asked
ends, so test runners side by side never get the same one.
"""

from __future__ import annotations

import os
import random
import socket

HOST = "127.0.0.1"
LOWEST, HIGHEST = 11_000, 32_000  # below the ports that Linux gives to clients by itself
TRIES = 2_000

_reserved: list[socket.socket] = []
_random = random.Random(os.getpid())


class NoFreePort(Exception):
    """Nothing left between LOWEST and HIGHEST."""


def free_ports(count: int = 1) -> int:
    """Reserve ports in a row that are free for UDP and for TCP.

    Args:
        count: how many; above 1 for programs that also use the ports after the one they are given.

    Returns:
        The first of them, an even number as RTP wants it.
    """
    for _ in range(TRIES):
        first = _random.randrange(LOWEST, HIGHEST - count, 2)
        locks = [_reserve(port) for port in range(first, first + count)]
        if all(locks):
            _reserved.extend(lock for lock in locks if lock)
            return first
        for lock in locks:
            if lock:
                lock.close()
    raise NoFreePort(f"{count} in a row between {LOWEST} and {HIGHEST}")


def udp_ports_in_use() -> set[int]:
    """Find the UDP ports bound to loopback or to all addresses, of all processes."""
    return {port for port, _ in _udp_sockets()}


def datagrams_dropped(port: int) -> int:
    """Count what the kernel dropped for want of space at the sockets of a UDP port."""
    return sum(drops for bound, drops in _udp_sockets() if bound == port)


def _udp_sockets() -> list[tuple[int, int]]:
    with open("/proc/net/udp") as table:
        rows = [line.split() for line in table.readlines()[1:]]
    return [(int(row[1].rpartition(":")[2], 16), int(row[-1])) for row in rows]


def _reserve(port: int) -> socket.socket | None:
    lock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        lock.bind(f"\0sipx-tests-port-{port}")
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            with socket.socket(socket.AF_INET, kind) as probe:
                probe.bind((HOST, port))
    except OSError:
        lock.close()
        return None
    return lock
