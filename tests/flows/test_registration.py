"""Registrations as phones make them, and calls that depend on them."""

from __future__ import annotations

from tests.flows.case import TALKING, FlowCase
from tests.support.builders import request
from tests.support.calls import RINGS, End, Plan
from tests.support.vnet import Address, Datagram


class RegistrationTests(FlowCase):
    """Come, stay, go."""

    def bindings(self, user: str = "201") -> int:
        """Count a user's bindings."""
        return len(self.node.location.bindings(user, self.clock.now))

    def test_gone(self) -> None:
        """A phone that unregisters is not called any more."""
        caller, callee = self.phone("200"), self.phone("201")
        callee.register(expires=0)
        self.clock.advance(1)
        self.assertEqual((callee.registered, self.bindings()), ([200, 200], 0))
        call = caller.call("201")
        self.clock.advance(1)
        self.assertEqual(call.status, 480)

    def test_expired(self) -> None:
        """Nor is one that let its registration end, as soon as it has ended."""
        caller, callee = self.phone("200"), self.phone("201")
        callee.register(expires=60)
        self.clock.advance(59)
        self.assertEqual(self.bindings(), 1)
        self.clock.advance(1.1)
        call = caller.call("201")
        self.clock.advance(1)
        self.assertEqual(call.status, 480)

    def test_refreshed(self) -> None:
        """One that refreshes stays, with one binding."""
        callee = self.phone("201")
        for _ in range(5):
            self.clock.advance(200)
            callee.register()
        self.clock.advance(1)
        self.assertEqual((callee.registered, self.bindings()), ([200] * 6, 1))
        self.assertEqual(len(self.node.journal.bindings), 1)

    def test_too_brief(self) -> None:
        """Less than half a minute is refused, with what would do."""
        callee = self.phone("201", register=False)
        callee.register(expires=10)
        self.clock.advance(1)
        self.assertEqual(callee.registered, [423])
        assert callee.last is not None
        self.assertEqual(callee.last.get("min-expires"), "30")

    def test_all_listed(self) -> None:
        """Each answer lists all phones of the user."""
        phones = [self.phone("201") for _ in range(3)]
        assert phones[2].last is not None
        listed = {one.uri_text for one in phones[2].last.addresses("contact", "Contact")}
        self.assertEqual({f"<{uri}>" for uri in listed}, {phone.contact for phone in phones})

    def test_retransmitted(self) -> None:
        """A REGISTER whose answer is lost again and again registers once."""
        callee = self.phone("201", register=False)
        lost: list[Datagram] = []

        def lose(datagram: Datagram) -> bool:
            if datagram.data.startswith(b"SIP/2.0 200") and len(lost) < 3:
                lost.append(datagram)
                return True
            return False

        self.network.lose = lose
        callee.register()
        self.clock.advance(10)
        self.assertEqual((callee.registered, len(lost)), ([200], 3))
        binds = [record for record in self.node.journal.records if record[0] == "bind"]
        self.assertEqual(len(binds), 1)

    def test_moved(self) -> None:
        """A phone that comes back with another address rings once, thanks to its instance."""
        caller = self.phone("200")
        old, new = self.phone("201", register=False), self.phone("201", register=False)
        instance = ';+sip.instance="<urn:uuid:00000000-0000-1000-8000-000a95a0e128>"'
        old.register(old.contact + instance)
        self.clock.advance(1)
        new.register(new.contact + instance)
        self.clock.advance(1)
        self.assertEqual(self.bindings(), 1)
        call, _ = self.talk(caller, "201", new)
        self.assertEqual(old.calls, [])
        call.hang_up()

    def test_stranger(self) -> None:
        """A stranger cannot register, nor somebody without a user here."""
        for sender in ("<sip:201@example.test>", "<sip:x@example.test>", "<sip:a@b.test>"):
            made = request(
                "REGISTER", "sip:example.test", sender=sender, contact="<sip:x@192.0.2.66>"
            )
            self.assertEqual(self.status(self.peer(f"192.0.2.{len(self.peers) + 70}"), made), 401)
        self.assertEqual(self.node.location.count(), 0)

    def test_required(self) -> None:
        """A REGISTER that requires what nobody knows."""
        callee = self.phone("201", register=False)
        callee.register(headers=["Require: teleportation"])
        self.clock.advance(1)
        self.assertEqual(callee.registered, [420])
        assert callee.last is not None
        self.assertEqual(callee.last.get("unsupported"), "teleportation")


class NatTests(FlowCase):
    """Phones whose Contact is an address that only they know."""

    def setUp(self) -> None:
        super().setUp()
        self.one = self.phone("200", register=False)
        self.two = self.phone("201", register=False)
        for phone in (self.one, self.two):
            phone.endpoint.known_as = ("192.168.1.5", 5060)
            phone.contact = f"<sip:{phone.user}@192.168.1.5:5060>"
            phone.register()
        self.clock.advance(1)
        self.private: Address = ("192.168.1.5", 5060)

    def test_call(self) -> None:
        """Everything goes over the flows that they registered on."""
        call, other = self.talk(self.one, "201", self.two)
        for side in (call, other):
            side.ask("INVITE")
            self.clock.advance(1)
            self.assertEqual(side.heard, [("INVITE", 200)])
        other.hang_up()
        self.clock.advance(1)
        self.assertEqual(other.heard[-1], ("BYE", 200))
        self.assertFalse([one for one in self.network.sent if one.destination == self.private])

    def test_cancel(self) -> None:
        """So does CANCEL."""
        self.two.plan = RINGS
        call = self.one.call("201")
        self.clock.advance(1)
        call.cancel()
        self.clock.advance(1)
        self.assertEqual((call.end, self.two.call_now.end), (End.CANCELED, End.CANCELED))

    def test_large(self) -> None:
        """So does a large INVITE, which would go over TCP elsewhere (18.1.1)."""
        call = self.one.call("201", f"X-Large: {'x' * 4000}")
        self.clock.advance(2)
        self.assertIs(call.state, TALKING)
        call.hang_up()


class LargeTests(FlowCase):
    """Requests that are too large for a datagram, where there is no TCP."""

    def test_elsewhere(self) -> None:
        """It goes over UDP all the same."""
        self.network.names["elsewhere.test"] = "192.0.2.9"
        caller, friend = self.phone("200"), self.stranger()
        friend.plan = Plan(486, 0.0, None)
        call = caller.call("sip:stranger@elsewhere.test", f"X-Large: {'x' * 4000}")
        self.clock.advance(1)
        self.assertEqual(call.status, 486)

    def test_no_such_host(self) -> None:
        """A host that does not exist."""
        call = self.phone("200").call("sip:x@nowhere.test")
        self.clock.advance(1)
        self.assertIn(call.status, {404, 480, 500})
