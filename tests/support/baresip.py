"""Phones played by baresip: it plays a tone into each call and records what it hears.

It is driven over its ctrl_tcp module: netstrings with JSON. Bound to the loopback address by
``net_interface``, it needs no other address on the machine.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.interfaces import IReactorTime
from twisted.protocols.basic import NetstringReceiver
from twisted.python.failure import Failure

from tests.support.peers import require
from tests.support.ports import HOST, free_ports
from tests.support.processes import Child, NotInTime, spawn, until
from tests.support.tones import RATE, write_tone

MODULES = "/usr/lib/baresip/modules"
HEARD = "dump-*-dec.wav"  # what a phone heard, named by sndfile.so
SAMPLE_BYTES = 2
RTP_PORTS = 10
TONE_SECONDS = 20.0  # longer than any call of the tests

# It keeps a recording's path in 128 bytes: so that is relative to its folder, where it runs.
CONFIG = """\
poll_method epoll
net_interface {host}
sip_listen {host}:{sip_port}
ctrl_tcp_listen {host}:{control_port}
call_local_timeout 60
call_max_calls 4
audio_source aufile,{folder}/tone.wav
audio_player aubridge,{user}_heard
audio_alert aubridge,{user}_alert
ausrc_srate {rate}
auplay_srate {rate}
ausrc_channels 1
auplay_channels 1
audio_txmode poll
audio_level no
ausrc_format s16
auplay_format s16
auenc_format s16
audec_format s16
rtp_ports {rtp_port}-{last_rtp_port}
rtp_timeout 0
rtcp_mux no
jitter_buffer_delay 2-10
snd_path .
module_path {modules}
module g711.so
module aubridge.so
module aufile.so
module sndfile.so
module uuid.so
module ctrl_tcp.so
{more_modules}module_tmp account.so
module_app contact.so
module_app menu.so
"""
ACCOUNT = (
    "<sip:{user}@{domain};transport={transport}>;auth_user={user};auth_pass={password};"
    'outbound="sip:{host}:{server_port};transport={transport}";regint=600;answermode={answer}{more}\n'
)


class Control(NetstringReceiver):
    """The remote control of one baresip."""

    def __init__(self) -> None:
        self.events: list[Mapping[str, Any]] = []
        self._waiting: list[tuple[str, Deferred[None]]] = []

    def command(self, name: str, parameters: str = "") -> None:
        """Send a command; baresip's response is not waited for."""
        self.sendString(json.dumps({"command": name, "params": parameters}).encode())

    async def event(self, kind: str, timeout: float) -> None:
        """Wait for an event; one that came earlier counts.

        Raises:
            NotInTime: with the events that came.
        """
        if any(event["type"] == kind for event in self.events):
            return
        seen: Deferred[None] = Deferred()
        self._waiting.append((kind, seen))
        try:
            await seen.addTimeout(timeout, IReactorTime(reactor))
        except TimeoutError:
            came = [event["type"] for event in self.events]
            raise NotInTime(f"baresip: no {kind} within {timeout:g} s, only {came}") from None
        finally:
            self._waiting = [waiting for waiting in self._waiting if waiting[1] is not seen]

    def stringReceived(self, string: bytes) -> None:
        message = json.loads(string)
        if not message.get("event"):
            return
        self.events.append(message)
        for kind, seen in list(self._waiting):
            if kind == message["type"] and not seen.called:
                seen.callback(None)

    def connectionLost(self, reason: Failure | None = None) -> None:
        self.closed.callback(None)

    def connectionMade(self) -> None:
        self.closed: Deferred[None] = Deferred()


class Baresip:
    """One phone of one user.

    Args:
        folder: its own, existing; configuration, tone and recordings are in it.
        user: user name.
        password: SIP password.
        server_port: where the server listens on the loopback address.
        domain: SIP domain of the server.
        transport: "udp", "tcp" or "tls".
        hertz: the tone that it plays.
        answers: whether it answers calls by itself.
        srtp: whether it encrypts what it says.
    """

    def __init__(
        self,
        folder: Path,
        *,
        user: str,
        password: str,
        server_port: int,
        domain: str,
        transport: str,
        hertz: float,
        answers: bool,
        srtp: bool = False,
    ) -> None:
        self._program = require("baresip")
        self._folder = folder
        self.user = user
        self._process: Child | None = None
        self._control: Control | None = None
        self._control_port = free_ports()
        rtp_port = free_ports(RTP_PORTS)
        write_tone(folder / "tone.wav", hertz, TONE_SECONDS)
        values = {
            "host": HOST,
            "user": user,
            "password": password,
            "domain": domain,
            "server_port": server_port,
            "transport": transport,
            "folder": folder.absolute(),
            "sip_port": free_ports(2),
            "control_port": self._control_port,
            "rate": RATE,
            "rtp_port": rtp_port,
            "last_rtp_port": rtp_port + RTP_PORTS - 1,
            "modules": MODULES,
            "answer": "auto" if answers else "manual",
            "more": ";mediaenc=srtp-mand" if srtp else "",
            "more_modules": "module srtp.so\n" if srtp else "",
        }
        (folder / "config").write_text(CONFIG.format(**values))
        (folder / "accounts").write_text(ACCOUNT.format(**values))
        (folder / "contacts").touch()

    @property
    def control(self) -> Control:
        """Its remote control, once started."""
        assert self._control is not None, "not started"
        return self._control

    async def start(self, timeout: float = 10) -> None:
        """Start it; comes back when it is registered."""
        words = (self._program, "-4", "-v", "-f", self._folder.absolute())
        self._process = spawn(words, folder=self._folder, name=f"baresip {self.user}")
        await self._process.wrote("baresip is ready", timeout)
        self._control = await until(self._connect, timeout, "connecting to baresip")
        # The event may have gone out before the connection was there, so look at the log.
        await self._process.wrote(r"200 OK .*\[\d+ bindings?\]", timeout)

    async def established(self, timeout: float = 10) -> None:
        """Wait until its call is answered."""
        await self.control.event("CALL_ESTABLISHED", timeout)

    async def listened(self, duration: float, timeout: float = 15) -> None:
        """Wait until it has recorded so many seconds of what it hears."""
        size = duration * RATE * SAMPLE_BYTES

        async def recorded() -> bool | None:
            files = list(self._folder.glob(HEARD))
            return True if files and files[0].stat().st_size >= size else None

        await until(recorded, timeout, f"baresip {self.user}: hearing anything for {duration:g} s")

    async def closed(self, timeout: float = 10) -> None:
        """Wait until its call is over and the recording complete."""
        assert self._process is not None, "not started"
        await self.control.event("CALL_CLOSED", timeout)
        await self._process.wrote("audio: destroyed", timeout)

    @property
    def log(self) -> str:
        """The end of what it wrote."""
        return self._process.tail(60) if self._process else ""

    @property
    def heard(self) -> Path:
        """The recording of what it heard, complete once the call is over."""
        (recording,) = self._folder.glob(HEARD)
        return recording

    async def stop(self) -> None:
        """End it; the server is not told."""
        if self._control is not None and self._control.transport is not None:
            self._control.transport.loseConnection()
            await self._control.closed
        if self._process is not None:
            await self._process.kill()

    async def _connect(self) -> Control | None:
        endpoint = TCP4ClientEndpoint(reactor, HOST, self._control_port)
        try:
            return await connectProtocol(endpoint, Control())
        except ConnectionRefusedError:
            return None
