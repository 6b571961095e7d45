"""The IPv4 addresses of this machine (Linux: SIOCGIFCONF, netdevice(7))."""

from __future__ import annotations

import array
import fcntl
import socket
import struct
from ipaddress import IPv4Address

_SIOCGIFCONF = 0x8912
# struct ifreq: 16 octets of name, then a union as long as a struct ifmap.
_IFREQ = 16 + struct.calcsize("@LLHBBBxxx")
# struct sockaddr_in in it: 2 octets family, 2 port, 4 address.
_ADDRESS = slice(20, 24)
# A machine with more addresses than this names those to listen on.
_MOST = 1024


def machine_addresses() -> tuple[str, ...]:
    """List the addresses that can be listened on now, loopback last, else as the kernel does."""
    room = array.array("B", bytes(_MOST * _IFREQ))
    where, length = room.buffer_info()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ask:
        answer = fcntl.ioctl(ask, _SIOCGIFCONF, struct.pack("@iP", length, where))
    used = struct.unpack("@iP", answer)[0]
    raw = room.tobytes()
    found = [
        socket.inet_ntoa(raw[start:][_ADDRESS]) for start in range(0, used - _IFREQ + 1, _IFREQ)
    ]
    usable = dict.fromkeys(address for address in found if _can_be_bound(address))
    return tuple(sorted(usable, key=lambda address: IPv4Address(address).is_loopback))


def _can_be_bound(address: str) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True
