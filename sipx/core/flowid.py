"""The name of a flow: enough to find it again, small enough to store and to sign."""

from __future__ import annotations

from typing import NamedTuple


class FlowId(NamedTuple):
    """The two ends of a flow.

    For UDP it names a socket and an address and lives as long as the socket; for a
    connection it names one connection and nothing after it.
    """

    transport: str
    local_host: str
    local_port: int
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.transport}:{self.local_host}:{self.local_port}:{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> FlowId | None:
        """Read what ``str`` wrote; None when it is something else."""
        parts = text.split(":")
        if len(parts) != 5 or not (parts[2].isdigit() and parts[4].isdigit()):
            return None
        return cls(parts[0], parts[1], int(parts[2]), parts[3], int(parts[4]))
