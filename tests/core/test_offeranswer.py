"""Tests of sipx.core.offeranswer: two sides agree, hold, change their minds, or refuse."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from sipx.core.agreement import Agreed, Capabilities, Format, NotAcceptable, Security
from sipx.core.errors import LocalError, RemoteError
from sipx.core.offeranswer import Negotiation, State
from sipx.core.sdp import Description, Direction, parse

PCMU = Format("PCMU", 8000, payload_type=0)
PCMA = Format("PCMA", 8000, payload_type=8)
G722 = Format("G722", 8000, payload_type=9)
OPUS = Format("opus", 48_000, 2, fmtp="useinbandfec=1")
KEY = b"WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"


class Octets:
    """Draws octets that are never the same."""

    def __init__(self, start: int) -> None:
        self.next = start

    def __call__(self, count: int) -> bytes:
        self.next += 1
        return bytes((self.next,)) * count


def side(*formats: Format, port: int = 4000, **more: object) -> Negotiation:
    can = Capabilities(formats or (G722, PCMU, PCMA), **more)  # type: ignore[arg-type]
    return Negotiation(can, f"192.0.2.{port // 1000}", port, port, Octets(port // 1000))


def wire(description: Description) -> Description:
    return parse(description.to_bytes())


def agree(caller: Negotiation, callee: Negotiation) -> tuple[Agreed, Agreed]:
    """Offer and answer over the wire; what each side has then."""
    answer = wire(callee.answer(wire(caller.offer())))
    agreed = caller.answered(answer)
    assert callee.agreed is not None
    return agreed, callee.agreed


def phone(
    media: bytes = b"m=audio 5000 RTP/AVP 8 0\r\n", host: bytes = b"192.0.2.5"
) -> Description:
    head = b"v=0\r\no=- 1 1 IN IP4 192.0.2.5\r\ns=-\r\nc=IN IP4 " + host + b"\r\nt=0 0\r\n"
    return parse(head + media)


class AgreementTests(SynchronousTestCase):
    def test_a_call(self) -> None:
        """The first codec of the offer that both have; events under the numbers offered."""
        caller, callee = side(G722, PCMU, PCMA), side(PCMA, PCMU, port=6000)
        near, far = agree(caller, callee)
        self.assertEqual((near.format, far.format), (PCMU, PCMU))
        self.assertEqual(
            (near.host, near.port, near.rtcp), ("192.0.2.6", 6000, ("192.0.2.6", 6001))
        )
        self.assertEqual((far.host, far.port), ("192.0.2.4", 4000))
        for one in (near, far):
            self.assertEqual((one.events, one.receiving_events, one.events_rate), (101, 101, 8000))
            self.assertIs(one.direction, Direction.SENDRECV)
            self.assertIsNone(one.keys)
        self.assertEqual(far.receiving, {0: PCMU})

    def test_dynamic_numbers(self) -> None:
        """Each side sends with the numbers of the other (6.1)."""
        callee = side(OPUS, port=6000)
        answer = callee.answer(
            phone(
                b"m=audio 5000 RTP/AVP 120 121 122\r\na=rtpmap:120 OPUS/48000/2\r\n"
                b"a=rtpmap:121 telephone-event/48000\r\na=rtpmap:122 telephone-event/8000\r\n"
            )
        )
        self.assertEqual(answer.media[0].formats, ("120", "121"))
        caller = side(OPUS, PCMU)
        offer = caller.offer()
        self.assertEqual(offer.media[0].formats, ("96", "0", "101", "97"))
        agreed = caller.answered(
            phone(
                b"m=audio 5000 RTP/AVP 110 111\r\na=rtpmap:110 opus/48000/2\r\n"
                b"a=rtpmap:111 telephone-event/48000\r\n"
            )
        )
        self.assertEqual((agreed.payload_type, agreed.receiving), (110, {96: OPUS}))
        self.assertEqual((agreed.events, agreed.receiving_events), (111, 97))

    def test_no_events(self) -> None:
        """A peer without telephone events gets none."""
        callee = side()
        answer = callee.answer(phone())
        self.assertEqual(answer.media[0].formats, ("8",))
        assert callee.agreed
        self.assertIsNone(callee.agreed.events)

    def test_other_streams_are_refused(self) -> None:
        """Video and a second audio keep their places with port 0; a new offer keeps them too."""
        callee = side()
        answer = callee.answer(
            phone(
                b"m=video 7000 RTP/AVP 99\r\nm=audio 5000 RTP/AVP 0\r\nm=audio 5002 RTP/AVP 8\r\n"
                b"m=application 9 DTLS/SCTP 5000\r\n"
            )
        )
        self.assertEqual([one.port for one in answer.media], [0, 4000, 0, 0])
        again = callee.offer()
        self.assertEqual([one.port for one in again.media], [0, 4000, 0, 0])
        self.assertEqual(
            [one.kind for one in again.media], ["video", "audio", "audio", "application"]
        )

    def test_late_offer(self) -> None:
        """Who is called without an offer makes one in the 200; its answer comes with the ACK."""
        callee, caller = side(port=6000), side()
        agreed, _ = agree(callee, caller)
        self.assertEqual(agreed.format, G722)
        self.assertIs(callee.state, State.STABLE)

    def test_ptime(self) -> None:
        """We send what the peer asks for as far as we can, never more than it can take."""
        for lines, ptime in (
            (b"", 20),
            (b"a=ptime:30\r\n", 20),
            (b"a=ptime:40\r\n", 40),
            (b"a=ptime:200\r\n", 60),
            (b"a=ptime:10\r\n", 10),
            (b"a=ptime:40\r\na=maxptime:20\r\n", 20),
            (b"a=ptime:x\r\n", 20),
            (b"a=ptime:5\r\n", 10),
        ):
            callee = side()
            callee.answer(phone(b"m=audio 5000 RTP/AVP 8\r\n" + lines))
            assert callee.agreed
            self.assertEqual(callee.agreed.ptime, ptime, lines)

    def test_reports_on_the_same_port(self) -> None:
        """rtcp-mux is taken when it is offered, and kept in our own offers."""
        callee = side()
        answer = callee.answer(phone(b"m=audio 5000 RTP/AVP 8\r\na=rtcp-mux\r\n"))
        self.assertIn(("a", "rtcp-mux"), answer.media[0].lines)
        assert callee.agreed
        self.assertEqual((callee.agreed.rtcp_mux, callee.agreed.rtcp), (True, ("192.0.2.5", 5000)))
        self.assertIn(("a", "rtcp-mux"), callee.offer().media[0].lines)


class HoldTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.near, self.far = side(), side(port=6000)
        agree(self.near, self.far)

    def test_hold_and_resume(self) -> None:
        """Who holds with music sends and hears nothing; resumed, both do both."""
        self.near.direction = Direction.SENDONLY
        near, far = agree(self.near, self.far)
        self.assertEqual((near.direction, far.direction), (Direction.SENDONLY, Direction.RECVONLY))
        self.assertEqual((near.held, far.held), (False, True))
        self.near.direction = Direction.SENDRECV
        near, far = agree(self.near, self.far)
        self.assertEqual((near.direction, far.direction), (Direction.SENDRECV, Direction.SENDRECV))
        self.assertFalse(far.held)

    def test_both_hold(self) -> None:
        """Nothing flows while both hold; one that resumes hears nothing yet."""
        self.near.direction = Direction.SENDONLY
        agree(self.near, self.far)
        self.far.direction = Direction.SENDONLY
        far, near = agree(self.far, self.near)
        self.assertEqual((near.direction, far.direction), (Direction.INACTIVE, Direction.INACTIVE))
        self.near.direction = Direction.SENDRECV
        near, far = agree(self.near, self.far)
        self.assertEqual((near.direction, far.direction), (Direction.RECVONLY, Direction.SENDONLY))

    def test_the_old_way(self) -> None:
        """An address of 0.0.0.0 is hold: nothing is sent there (8.4)."""
        answer = self.far.answer(phone(host=b"0.0.0.0"))
        assert self.far.agreed
        self.assertTrue(self.far.agreed.held)
        self.assertFalse(self.far.agreed.direction.sends)
        self.assertIs(answer.direction(answer.media[0]), Direction.RECVONLY)

    def test_versions(self) -> None:
        """The version grows by one with each change, and stays where there is none (8)."""
        first = self.near.offer().origin
        self.near.failed()
        same = self.near.offer().origin
        self.near.failed()
        self.near.direction = Direction.INACTIVE
        held = self.near.offer().origin
        self.assertEqual(same, first)
        self.assertEqual((held.session_id, held.version), (first.session_id, first.version + 1))


class FailureTests(SynchronousTestCase):
    def test_glare(self) -> None:
        """An offer that crosses ours gets 491; a second one of ours is our own fault."""
        near = side()
        near.offer()
        self.assertEqual(self.assertRaises(RemoteError, near.answer, phone()).status, 491)
        self.assertRaises(LocalError, near.offer)
        near.failed()
        self.assertIs(near.state, State.IDLE)
        self.assertRaises(LocalError, near.answered, phone())

    def test_a_refused_change(self) -> None:
        """A re-INVITE that fails leaves the call as it was, whoever sent it."""
        near, far = side(), side(port=6000)
        agree(near, far)
        before = near.agreed, far.agreed
        near.direction = Direction.INACTIVE
        near.offer()
        near.failed()
        self.assertRaises(NotAcceptable, far.answer, phone(b"m=audio 5000 RTP/AVP 18\r\n"))
        near.offer()
        refused = phone(b"m=audio 0 RTP/AVP 0\r\n")
        self.assertEqual(self.assertRaises(RemoteError, near.answered, refused).status, 488)
        self.assertEqual((near.agreed, far.agreed), before)
        self.assertEqual((near.state, far.state), (State.STABLE, State.STABLE))

    def test_answers_that_are_none(self) -> None:
        """Other media lines, another protocol, no codec of ours: refused."""
        for media, status in (
            (b"m=audio 5000 RTP/AVP 0\r\nm=video 0 RTP/AVP 99\r\n", 400),
            (b"m=audio 5000 RTP/SAVP 0\r\n", 400),
            (b"m=audio 5000 RTP/AVP 18\r\n", 488),
            (b"", 400),
        ):
            near = side()
            near.offer()
            error = self.assertRaises(RemoteError, near.answered, phone(media))
            self.assertEqual(error.status, status, media)
            self.assertIs(near.state, State.IDLE)

    def test_fewer_lines_than_before(self) -> None:
        """A new offer may not lose media lines (8)."""
        near = side()
        near.answer(phone(b"m=audio 5000 RTP/AVP 0\r\nm=video 7000 RTP/AVP 99\r\n"))
        self.assertEqual(self.assertRaises(RemoteError, near.answer, phone()).status, 400)

    def test_warnings(self) -> None:
        """488 says what we take: code and text of the Warning."""
        for media, code, words in (
            (b"m=video 5000 RTP/AVP 99\r\n", 304, "audio over RTP/AVP"),
            (b"m=audio 0 RTP/AVP 0\r\n", 304, "audio"),
            (b"m=audio 5000 RTP/AVP 18 3\r\n", 305, "G722/8000, PCMU/8000, PCMA/8000"),
            (b"m=audio 5000 UDP/TLS/RTP/SAVPF 0\r\n", 302, "RTP/AVP or RTP/SAVP"),
            (b"m=audio 5000 RTP/SAVP 0\r\n", 306, "AES_CM_128_HMAC_SHA1_80"),
        ):
            error = self.assertRaises(NotAcceptable, side().answer, phone(media))
            self.assertEqual((error.status, error.code), (488, code))
            self.assertIn(words, error.text)
            self.assertEqual(error.warning("pbx:5060"), f'{code} pbx:5060 "{error.text}"')


class SecurityTests(SynchronousTestCase):
    def test_keys(self) -> None:
        """What one side sends with the other receives with; a new offer keeps the keys."""
        near, far = side(security=Security.REQUIRED), side(port=6000)
        mine, theirs = agree(near, far)
        assert mine.keys and theirs.keys
        self.assertEqual(mine.keys.suite, "AES_CM_128_HMAC_SHA1_80")
        self.assertEqual(mine.keys.sending, theirs.keys.receiving)
        self.assertEqual(mine.keys.receiving, theirs.keys.sending)
        self.assertNotEqual(mine.keys.sending, mine.keys.receiving)
        again, _ = agree(near, far)
        self.assertEqual(again.keys, mine.keys)
        back, _ = agree(far, near)
        self.assertEqual(back.keys, theirs.keys)

    def test_the_suite_of_the_peer(self) -> None:
        """A peer that has only one of the suites gets that one, with its tag."""
        far = side()
        answer = far.answer(
            phone(
                b"m=audio 5000 RTP/SAVP 0\r\na=crypto:1 AES_256_CM_HMAC_SHA1_80 inline:"
                + KEY
                + b"\r\na=crypto:7 AES_CM_128_HMAC_SHA1_32 inline:"
                + KEY
                + b"\r\n"
            )
        )
        self.assertEqual([one.tag for one in answer.media[0].cryptos()], [7])
        assert far.agreed and far.agreed.keys
        self.assertEqual(far.agreed.keys.suite, "AES_CM_128_HMAC_SHA1_32")

    def test_policies(self) -> None:
        """OFF refuses SAVP, REQUIRED refuses AVP; of two lines the one that fits is taken."""
        secure = (
            b"m=audio 5002 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + KEY + b"\r\n"
        )
        plain = b"m=audio 5000 RTP/AVP 0\r\n"
        off, required = side(security=Security.OFF), side(security=Security.REQUIRED)
        self.assertRaises(NotAcceptable, off.answer, phone(secure))
        self.assertRaises(NotAcceptable, required.answer, phone(plain))
        self.assertEqual([m.port for m in off.answer(phone(secure + plain)).media], [0, 4000])
        self.assertEqual([m.port for m in required.answer(phone(plain + secure)).media], [0, 4000])

    def test_answers_without_our_keys(self) -> None:
        """An answer with no key, or one for a tag that was not offered, is no agreement."""
        for line in (b"", b"a=crypto:9 AES_CM_128_HMAC_SHA1_80 inline:" + KEY + b"\r\n"):
            near = side(security=Security.REQUIRED)
            near.offer()
            answer = phone(b"m=audio 5000 RTP/SAVP 0\r\n" + line)
            self.assertEqual(self.assertRaises(RemoteError, near.answered, answer).status, 488)
