"""Offer and answer of one call with one audio stream: RFC 3264, with SDES keys of RFC 4568.

A pure machine: ``Negotiation`` writes our offers and answers, reads the peer's, and says what was
agreed. It is IDLE, OFFERED (ours waits for an answer) or STABLE. What fails changes nothing: the
call goes on as it was. Other media lines are refused with port 0, and keep their places.

We answer with the one codec that we shall send, and telephone events; the offerer's order decides.
"""

from __future__ import annotations

import base64
import enum
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from sipx.core.agreement import Agreed, Capabilities, Format, Keys, NotAcceptable, Security
from sipx.core.errors import LocalError, RemoteError
from sipx.core.sdp import Crypto, Description, Direction, Line, Media, Origin, RtpMap, family

SUITES: Final = ("AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32")
"""SRTP suites that we take, in the order in which we offer them."""
KEY_OCTETS: Final = 30
"""Master key and salt of both (RFC 4568 section 6.2)."""
PTIMES: Final = (10, 20, 40, 60)
"""Milliseconds of sound in a packet that we send."""
DYNAMIC: Final = range(96, 128)
EVENTS: Final = "telephone-event"
_FIRST_EVENTS: Final = 101
"""The number that half the world has for telephone events; gateways that guess, guess this."""

PLAIN: Final = frozenset({"RTP/AVP", "RTP/AVPF"})
SECURE: Final = frozenset({"RTP/SAVP", "RTP/SAVPF"})


class State(enum.Enum):
    """Where a negotiation is."""

    IDLE = enum.auto()
    OFFERED = enum.auto()
    STABLE = enum.auto()


class Negotiation:
    """The descriptions of one call.

    Attributes:
        state: where it is.
        agreed: what is in force, None before the first answer.
        direction: what we wish: INACTIVE or SENDONLY puts the peer on hold with the next offer.
    """

    def __init__(
        self,
        capabilities: Capabilities,
        host: str,
        port: int,
        session_id: int,
        octets: Callable[[int], bytes],
    ) -> None:
        """Begin.

        Args:
            capabilities: what we can do.
            host: our media address.
            port: our media port; reports come to the next one, or to the same with rtcp-mux.
            session_id: a number that is ours alone (RFC 8866 section 5.2).
            octets: draws so many random octets, for keys.
        """
        self._can = capabilities
        self._host = host
        self._port = port
        self._octets = octets
        self._origin = Origin("-", session_id, 0, host)
        self._local: Description | None = None
        self._before: Description | None = None
        self._numbers: dict[Format | int, int] = {}
        self._offered_keys: dict[int, Crypto] = {}
        self.state = State.IDLE
        self.agreed: Agreed | None = None
        self.direction = Direction.SENDRECV

    # Our offers.

    def offer(self) -> Description:
        """Write an offer: for an INVITE, a re-INVITE, or the 200 of an INVITE that had none.

        Raises:
            LocalError: one is under way.
        """
        if self.state is State.OFFERED:
            raise LocalError("an offer of ours waits for its answer")
        agreed = self.agreed
        secure = self._can.security is Security.REQUIRED or bool(agreed and agreed.keys)
        protocol = "RTP/SAVP" if secure else "RTP/AVP"
        if agreed and self._local is not None:
            before = self._local.media[self._audio_place(self._local)].protocol
            if (before in SECURE) == secure:
                protocol = before  # with feedback, if the peer began so
        numbers = self._offer_numbers()
        lines: list[Line] = []
        for one in self._can.formats:
            lines += _map_lines(numbers[one], one, one.fmtp)
        event_numbers = []
        if self._can.events:
            for rate in self._event_rates():
                event_numbers.append(numbers[rate])
                lines += _map_lines(numbers[rate], Format(EVENTS, rate), "0-15")
        lines += self._common_lines(self.direction)
        if agreed and agreed.rtcp_mux:
            lines.append(("a", "rtcp-mux"))
        self._offered_keys = {}
        if secure:
            for tag, suite in enumerate(SUITES, 1):
                key = self._key_for(suite)
                self._offered_keys[tag] = Crypto(tag, suite, key)
                lines.append(_crypto_line(self._offered_keys[tag]))
        formats = [str(numbers[one]) for one in self._can.formats] + [str(n) for n in event_numbers]
        audio = Media("audio", self._port, protocol, tuple(formats), tuple(lines))
        made = self._describe(audio)
        self._before, self._local = self._local, made
        self.state = State.OFFERED
        return made

    def answered(self, answer: Description) -> Agreed:
        """Take the peer's answer to our offer.

        Raises:
            RemoteError: it is no answer to our offer, or it refuses the stream. The call goes on as
                it was before the offer, if it did.
            LocalError: there is no offer.
        """
        if self.state is not State.OFFERED or self._local is None:
            raise LocalError("there is no offer to be answered")
        try:
            agreed = self._read_answer(self._local, answer)
        except RemoteError:
            self.failed()
            raise
        self.agreed = agreed
        self.state = State.STABLE
        return agreed

    def failed(self) -> None:
        """Our offer was refused, or will get no answer: what was before is in force."""
        if self.state is State.OFFERED:
            # The version stays: the peer may have seen what it did not take.
            self._local = self._before or self._local
            self.state = State.STABLE if self.agreed else State.IDLE

    def _read_answer(self, offer: Description, answer: Description) -> Agreed:
        if len(answer.media) != len(offer.media):
            raise RemoteError(400, "SDP: the answer has other media lines than the offer")
        place = self._audio_place(offer)
        ours, media = offer.media[place], answer.media[place]
        if media.kind != "audio" or not media.port:
            raise RemoteError(488, "The peer refused the audio stream")
        if media.protocol != ours.protocol:
            raise RemoteError(400, f"SDP: the answer has {media.protocol}, not {ours.protocol}")
        keys = None
        if ours.protocol in SECURE:
            keys = self._answered_keys(media)
        mine = {number: self._format_of(found) for number, found in ours.rtpmaps().items()}
        common = [one for one in self._common(media) if one[1] in mine.values()]
        if not common:
            raise RemoteError(488, "SDP: the answer has no codec of the offer")
        # What comes has our numbers, what we send has theirs (section 6.1).
        chosen = [one for _, one in common]
        receiving = {n: one for n, one in mine.items() if one is not None and one in chosen}
        ours_events = _event_numbers(ours)
        mux = bool(ours.attributes("rtcp-mux") and media.attributes("rtcp-mux"))
        return self._agree(answer, media, common[0], receiving, ours_events, keys, mux)

    def _answered_keys(self, media: Media) -> Keys:
        for crypto in media.cryptos():
            offered = self._offered_keys.get(crypto.tag)
            if offered and offered.suite == crypto.suite and len(crypto.key) == KEY_OCTETS:
                return Keys(crypto.suite, offered.key, crypto.key)
        raise RemoteError(488, "SDP: the answer has none of the keys that were offered")

    # The peer's offers.

    def answer(self, offer: Description) -> Description:
        """Take the peer's offer and write the answer.

        Raises:
            NotAcceptable: 488; nothing in it that we can take.
            RemoteError: 491 while an offer of ours is under way; 400 for nonsense.
        """
        if self.state is State.OFFERED:
            raise RemoteError(491, "Request Pending")
        if self._local is not None and len(offer.media) < len(self._local.media):
            raise RemoteError(400, "SDP: a new offer has fewer media lines than before")
        place, media, crypto = self._choose(offer)
        number, chosen = self._common(media)[0]
        keys = None
        if crypto is not None:
            keys = Keys(crypto.suite, self._key_for(crypto.suite), crypto.key)
        events = _event_numbers(media) if self._can.events else {}
        mux = "" in media.attributes("rtcp-mux")
        agreed = self._agree(offer, media, (number, chosen), {number: chosen}, events, keys, mux)
        lines = _map_lines(number, chosen, chosen.fmtp)
        formats = [str(number)]
        if agreed.events is not None:
            formats.append(str(agreed.events))
            lines += _map_lines(agreed.events, Format(EVENTS, agreed.events_rate), "0-15")
        lines += self._common_lines(agreed.direction)
        if mux:
            lines.append(("a", "rtcp-mux"))
        if crypto is not None and keys is not None:
            lines.append(_crypto_line(Crypto(crypto.tag, keys.suite, keys.sending)))
        audio = Media("audio", self._port, media.protocol, tuple(formats), tuple(lines))
        self._local = self._describe(audio, offer.media, place)
        taken = {number, agreed.events}
        self._numbers = {one: n for one, n in self._numbers.items() if n not in taken}
        self._numbers[chosen] = number
        if agreed.events is not None:
            self._numbers[agreed.events_rate] = agreed.events
        self.agreed = agreed
        self.state = State.STABLE
        return self._local

    def _choose(self, offer: Description) -> tuple[int, Media, Crypto | None]:
        """The first media line that we can take, and its keys."""
        reason = NotAcceptable(304, f"We take {self._can}")
        for place, media in enumerate(offer.media):
            if media.kind != "audio" or not media.port:
                continue
            crypto = None
            if media.protocol in SECURE and self._can.security is not Security.OFF:
                usable = [c for c in media.cryptos() if c.suite in SUITES]
                crypto = next((c for c in usable if len(c.key) == KEY_OCTETS), None)
                if crypto is None:
                    reason = NotAcceptable(
                        306, f"We take keys in a=crypto for {' or '.join(SUITES)}, without MKI"
                    )
                    continue
            elif media.protocol not in PLAIN or self._can.security is Security.REQUIRED:
                reason = NotAcceptable(302, f"We take {self._can}")
                continue
            if not self._common(media):
                reason = NotAcceptable(305, f"We take {self._can}")
                continue
            return place, media, crypto
        raise reason

    # Both.

    def _agree(
        self,
        theirs: Description,
        media: Media,
        chosen: tuple[int, Format],
        receiving: dict[int, Format],
        our_events: dict[int, int],
        keys: Keys | None,
        mux: bool,
    ) -> Agreed:
        number, one = chosen
        host = theirs.address(media)
        # Hold as it was before RFC 3264: nowhere to send to (section 8.4).
        nowhere = host in ("0.0.0.0", "::")
        direction = theirs.direction(media)
        sends = self.direction.sends and direction.receives and not nowhere
        receives = self.direction.receives and direction.sends
        rate, sent_events = _events_for(one, _event_numbers(media) if our_events else {})
        came = our_events.get(rate) if sent_events is not None else None
        return Agreed(
            host=host,
            port=media.port,
            rtcp=(host, media.port) if mux else theirs.rtcp(media),
            rtcp_mux=mux,
            format=one,
            payload_type=number,
            receiving=receiving,
            events=sent_events if came is not None else None,
            receiving_events=came,
            events_rate=rate,
            ptime=self._ptime(media),
            fmtp=media.parameters().get(str(number), ""),
            direction=Direction.of(sends, receives),
            held=nowhere or not direction.receives,
            keys=keys,
        )

    def _ptime(self, media: Media) -> int:
        wanted = media.number("ptime") or self._can.ptime
        most = media.number("maxptime") or wanted
        fitting = [ptime for ptime in PTIMES if ptime <= min(wanted, most)]
        return fitting[-1] if fitting else PTIMES[0]

    def _common(self, media: Media) -> list[tuple[int, Format]]:
        """Codecs of a media line that we have, with their numbers, in its order."""
        found = []
        for number, one in media.rtpmaps().items():
            ours = self._format_of(one)
            if ours is not None:
                found.append((number, ours))
        return found

    def _format_of(self, found: RtpMap) -> Format | None:
        return next((one for one in self._can.formats if one.fits(found)), None)

    def _event_rates(self) -> list[int]:
        rates = {8000 if one.clock_rate < 48_000 else one.clock_rate for one in self._can.formats}
        return sorted(rates)

    def _offer_numbers(self) -> dict[Format | int, int]:
        """A payload number for each codec and event rate; once given it stays (8.3.2)."""
        numbers = self._numbers
        events = self._event_rates() if self._can.events else []
        if 8000 in events and 8000 not in numbers and _FIRST_EVENTS not in numbers.values():
            numbers[8000] = _FIRST_EVENTS
        wanted: list[Format | int] = [*self._can.formats, *events]
        for one in wanted:
            if one in numbers:
                continue
            if isinstance(one, Format) and one.payload_type is not None:
                numbers[one] = one.payload_type
                continue
            used = set(numbers.values())
            numbers[one] = next(number for number in DYNAMIC if number not in used)
        return numbers

    def _common_lines(self, direction: Direction) -> list[Line]:
        return [("a", f"ptime:{self._can.ptime}"), ("a", direction.value)]

    def _key_for(self, suite: str) -> bytes:
        """Our key: the one in force while the suite stays, else a new one."""
        agreed = self.agreed
        if agreed and agreed.keys and agreed.keys.suite == suite:
            return agreed.keys.sending
        return self._octets(KEY_OCTETS)

    def _audio_place(self, local: Description) -> int:
        return next(n for n, one in enumerate(local.media) if one.kind == "audio" and one.port)

    def _describe(
        self, audio: Media, offered: Sequence[Media] = (), place: int | None = None
    ) -> Description:
        """Put our stream among the media lines, all others refused, and count the version."""
        before = self._local
        if place is None:
            others: Sequence[Media] = before.media if before else (audio,)
            place = self._audio_place(before) if before else 0
        else:
            others = offered
        media = tuple(
            audio if n == place else Media(one.kind, 0, one.protocol, one.formats)
            for n, one in enumerate(others)
        )
        lines: tuple[Line, ...] = (("c", f"IN {family(self._host)}"), ("t", "0 0"))
        if before is None or before.media != media:
            self._origin = replace(self._origin, version=self._origin.version + 1)
        return Description(self._origin, "-", lines, media)


def _map_lines(number: int, one: Format, fmtp: str) -> list[Line]:
    channels = f"/{one.channels}" if one.channels != 1 else ""
    lines = [("a", f"rtpmap:{number} {one.name}/{one.clock_rate}{channels}")]
    if fmtp:
        lines.append(("a", f"fmtp:{number} {fmtp}"))
    return lines


def _crypto_line(crypto: Crypto) -> Line:
    key = base64.b64encode(crypto.key).decode()
    return ("a", f"crypto:{crypto.tag} {crypto.suite} inline:{key}")


def _event_numbers(media: Media) -> dict[int, int]:
    """Numbers of telephone events by clock rate."""
    return {
        found.clock_rate: number
        for number, found in reversed(media.rtpmaps().items())
        if found.name.lower() == EVENTS
    }


def _events_for(one: Format, numbers: dict[int, int]) -> tuple[int, int | None]:
    """The clock rate and number of events for a codec: of its own rate, if there is one."""
    for rate in (one.clock_rate, 8000, *numbers):
        if rate in numbers:
            return rate, numbers[rate]
    return 8000, None
