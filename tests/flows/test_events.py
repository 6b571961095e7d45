"""Subscriptions as phones make them: SUBSCRIBE, NOTIFY, and what ends them (RFC 6665, 3680)."""

from __future__ import annotations

from itertools import pairwise
from unittest.mock import patch

from sipx.events import notifier
from tests.flows.case import FlowCase
from tests.support.builders import request
from tests.support.watcher import Watcher

REGINFO = "{urn:ietf:params:xml:ns:reginfo}"


class SubscriptionCase(FlowCase):
    """A phone of 200 that watches."""

    def watcher(self, user: str = "200", target: str = "", event: str = "reg") -> Watcher:
        """Give a user a phone that can subscribe."""
        return Watcher(self.phone(user, register=False), event, target)

    def watch(self, expires: int = 600) -> Watcher:
        """Subscribe user 200 to his own registrations."""
        watcher = self.watcher()
        watcher.subscribe(expires)
        self.clock.advance(1)
        self.assertEqual((watcher.statuses, watcher.states), ([200], ["active"]))
        return watcher

    def leave(self, watcher: Watcher) -> None:
        """Unsubscribe, so that nothing is left."""
        watcher.subscribe(0)
        self.clock.advance(1)
        self.assertEqual(watcher.states[-1], "terminated;reason=timeout")

    @property
    def stored(self) -> int:
        """How many subscriptions the database has."""
        return len(self.node.journal.subscriptions.rows)


class RegEventTests(SubscriptionCase):
    """Who is registered where, told to the user (RFC 3680)."""

    def test_told_at_once_and_on_change(self) -> None:
        """The state comes with the subscription, then with each change; a refresh says so."""
        watcher = self.watch()
        self.assertEqual(watcher.document()[0].get("state"), "init")
        phone = self.phone("200")
        self.clock.advance(6)
        self.assertEqual(watcher.contacts(), [("active", "registered")])
        phone.register()
        self.clock.advance(6)
        self.assertEqual(watcher.contacts(), [("active", "refreshed")])
        phone.register(expires=60)
        self.clock.advance(6)
        self.assertEqual(watcher.contacts(), [("active", "shortened")])
        phone.register(expires=0)
        self.clock.advance(6)
        self.assertEqual(watcher.contacts(), [("terminated", "unregistered")])
        self.assertEqual(watcher.document()[0].get("state"), "terminated")
        versions = [int(watcher.document(place).get("version", "")) for place in range(5)]
        self.assertEqual(versions, [0, 1, 2, 3, 4])
        cseqs = [notify.cseq[0] for notify in watcher.notifies]
        self.assertEqual(cseqs, sorted(set(cseqs)))
        self.leave(watcher)

    def test_expired_registration(self) -> None:
        """A registration that ends by itself has expired; it is shown once."""
        watcher = self.watch()
        self.phone("200", False).register(expires=60)
        self.clock.advance(70)
        self.assertEqual(watcher.contacts(), [("terminated", "expired")])
        self.phone("200")
        self.clock.advance(6)
        self.assertEqual(watcher.contacts(), [("active", "registered")])
        self.leave(watcher)

    def test_what_it_shows(self) -> None:
        """AOR, contact, Call-ID, CSeq, q and instance are as they were registered."""
        watcher = self.watch()
        phone = self.phone("200", False)
        phone.register(f'{phone.contact};q=0.5;+sip.instance="<urn:uuid:a&b>"')
        self.clock.advance(6)
        registration = watcher.document()[0]
        self.assertEqual(registration.get("aor"), "sip:200@example.test")
        contact = registration[0]
        self.assertEqual(
            (contact.get("q"), contact.get("callid")), ("0.5", "register-200-10.0.1.2")
        )
        self.assertEqual(contact.findtext(f"{REGINFO}uri"), phone.contact.strip("<>"))
        self.assertEqual(contact.findtext(f"{REGINFO}unknown-param"), '"<urn:uuid:a&b>"')
        self.leave(watcher)

    def test_not_too_often(self) -> None:
        """Changes within five seconds are told in one NOTIFY."""
        watcher = self.watch()
        for user in range(8):
            self.phone("200", host=f"10.0.2.{user + 1}")
        self.clock.advance(10)
        gaps = [b - a for a, b in pairwise(watcher.times[1:])]
        self.assertTrue(all(gap >= 4.9 for gap in gaps), gaps)
        self.assertLessEqual(len(watcher.notifies), 4)
        self.assertEqual(len(watcher.contacts()), 8)
        self.leave(watcher)

    def test_alias(self) -> None:
        """An alias of the user is the user."""
        watcher = self.watcher(target="reception")
        watcher.subscribe()
        self.phone("200")
        self.clock.advance(6)
        self.assertEqual(watcher.contacts(), [("active", "registered")])
        self.leave(watcher)


class SubscribeTests(SubscriptionCase):
    """What SUBSCRIBE is answered."""

    def test_answer(self) -> None:
        """The 200 has a Contact of ours, what was granted, and NOTIFY carries the Event's id."""
        watcher = self.watcher(event="reg;id=7")
        watcher.subscribe(100_000)
        self.clock.advance(1)
        assert watcher.last is not None
        self.assertEqual(watcher.last.get("expires"), "86400")
        self.assertEqual(watcher.last.addresses("contact", "")[0].uri.host, "10.0.0.1")
        notify = watcher.notifies[0]
        self.assertEqual(notify.get("event"), "reg;id=7")
        self.assertEqual(notify.get("content-type"), "application/reginfo+xml")
        self.assertEqual((notify.to.tag, notify.from_.tag), ("w", watcher.last.to.tag))
        self.leave(watcher)

    def test_default_time(self) -> None:
        """Without Expires it lasts as long as the package says."""
        watcher = self.watcher()
        watcher.subscribe(None)
        self.clock.advance(1)
        assert watcher.last is not None
        self.assertEqual(watcher.last.get("expires"), "3761")
        self.leave(watcher)

    def test_refused(self) -> None:
        """Each mistake gets its own answer, and nothing is kept."""
        for target, headers, expires, event, status in (
            ("", (), 59, "reg", 423),
            ("", ("Accept: text/plain",), 600, "reg", 406),
            ("201", (), 600, "reg", 403),  # somebody else's registrations
            ("nobody", (), 600, "reg", 404),
            ("", (), 600, "reg;;", 400),
            ("", ("Require: mind-reading",), 600, "reg", 420),
        ):
            watcher = self.watcher(target=target, event=event)
            watcher.subscribe(expires, *headers)
            self.clock.advance(1)
            self.assertEqual(watcher.statuses, [status], (target, headers, event))
            self.assertEqual(watcher.notifies, [])
        self.assertEqual((len(self.node.events.notifier), self.stored), (0, 0))

    def test_unknown_package(self) -> None:
        """To the node itself an unknown package is 489, with those that it has."""
        watcher = self.watcher(event="weather")
        watcher.uri = "sip:example.test"
        watcher.subscribe()
        self.clock.advance(1)
        assert watcher.last is not None
        self.assertEqual((watcher.statuses, watcher.last.get("allow-events")), ([489], "reg"))

    def test_package_of_the_phone(self) -> None:
        """A package that the node does not have is the phone's business."""
        self.phone("201")
        watcher = self.watcher(target="201", event="dialog")
        watcher.subscribe()
        self.clock.advance(1)
        self.assertEqual(watcher.statuses, [501])  # by the phone

    def test_publish_is_not_taken(self) -> None:
        """Nobody publishes registrations."""
        phone = self.phone("200", False)
        statuses: list[int] = []
        made = request(
            "PUBLISH", "sip:200@example.test", "Event: reg", sender=phone.sender, tag="p", body="x"
        )
        phone.ask(made, lambda _, message: statuses.append(message.status if message else 0))
        self.clock.advance(1)
        self.assertEqual(statuses, [489])

    def test_strangers(self) -> None:
        """Who is nobody's user here watches nobody."""
        made = request("SUBSCRIBE", "sip:200@10.0.0.1", "Event: reg", contact="<sip:x@192.0.2.66>")
        self.assertEqual(self.status(self.peer(), made), 403)

    def test_fetch(self) -> None:
        """Expires 0 without a subscription asks for the state once (RFC 6665 section 4.4.3)."""
        self.phone("200")
        watcher = self.watcher()
        watcher.subscribe(0)
        self.clock.advance(1)
        self.assertEqual((watcher.statuses, self.stored), ([200], 0))
        self.assertEqual(watcher.states, ["terminated;reason=timeout"])
        self.assertEqual(watcher.contacts(), [("active", "registered")])

    def test_too_many(self) -> None:
        """A user has a bounded number of subscriptions."""
        with patch.object(notifier, "MOST_SUBSCRIPTIONS_OF_USER", 1):
            first = self.watch()
            second = self.watcher()
            second.subscribe()
            self.clock.advance(1)
            self.assertEqual(second.statuses, [403])
        self.leave(first)

    def test_node_is_full(self) -> None:
        """So has the node."""
        with patch.object(notifier, "MOST_SUBSCRIPTIONS", 0):
            watcher = self.watcher()
            watcher.subscribe()
            self.clock.advance(1)
            self.assertEqual(watcher.statuses, [503])

    def test_journal_fails(self) -> None:
        """What cannot be stored is not acknowledged."""
        self.node.journal.broken = True
        watcher = self.watcher()
        watcher.subscribe()
        self.clock.advance(1)
        self.assertNotIn(200, watcher.statuses)
        self.node.journal.broken = False
        self.node.journal.commit()
        self.clock.advance(700)


class LifeTests(SubscriptionCase):
    """Refresh, expiry, and subscribers that do not behave."""

    def test_refresh(self) -> None:
        """A refresh keeps it alive and brings the state again."""
        watcher = self.watch(100)
        for _ in range(3):
            self.clock.advance(80)
            watcher.subscribe(100)
            self.clock.advance(1)
        self.assertEqual(watcher.statuses, [200] * 4)
        self.assertEqual((watcher.states, self.stored), (["active"] * 4, 1))
        self.leave(watcher)
        self.assertEqual(self.stored, 0)

    def test_expires(self) -> None:
        """One that is not refreshed ends, and is told so."""
        watcher = self.watch(100)
        self.clock.advance(101)
        self.assertEqual(watcher.states, ["active", "terminated;reason=timeout"])
        self.assertEqual((len(self.node.events.notifier), self.stored), (0, 0))
        watcher.subscribe(100)
        self.clock.advance(1)
        self.assertEqual(watcher.statuses[-1], 481)

    def test_subscriber_is_gone(self) -> None:
        """Who answers 481, or not at all, is dropped."""
        for answer in (481, 0):
            watcher = self.watch()
            watcher.answer = answer
            watcher.subscribe()
            self.clock.advance(40)
            self.assertEqual((len(self.node.events.notifier), self.stored), (0, 0), answer)
        self.assertEqual(self.node.events.notifier.dropped, 2)

    def test_subscriber_asks_to_wait(self) -> None:
        """A 503 with Retry-After is believed, and the state comes then."""
        watcher = self.watch()
        watcher.answer, watcher.headers = 503, ("Retry-After: 20 (soon)",)
        watcher.subscribe()
        self.clock.advance(2)
        watcher.answer = 200
        self.clock.advance(17)
        self.assertEqual(len(watcher.notifies), 2)
        self.clock.advance(3)
        self.assertEqual(len(watcher.notifies), 3)
        self.leave(watcher)

    def test_somebody_elses(self) -> None:
        """Nobody else can refresh or end a subscription whose dialog he has seen."""
        watcher = self.watch()
        thief = self.watcher("201")
        thief._call_id, thief._to = watcher._call_id, watcher._to
        thief.uri, thief._contact = watcher.uri, watcher._contact
        thief.subscribe(0)
        self.clock.advance(1)
        self.assertEqual((thief.statuses, self.stored), ([403], 1))
        self.leave(watcher)

    def test_out_of_order(self) -> None:
        """A SUBSCRIBE older than the last one gets 500."""
        watcher = self.watch()
        watcher._cseq = -9
        watcher.subscribe()
        self.clock.advance(1)
        self.assertEqual(watcher.statuses[-1], 500)
        watcher._cseq = 100
        self.leave(watcher)

    def test_user_is_removed(self) -> None:
        """With the user his subscriptions end."""
        watcher = self.watch()
        users = self.node.users
        users.remove("200")
        self.clock.advance(1)
        self.assertEqual(watcher.states[-1], "terminated;reason=noresource")
        self.assertEqual((len(self.node.events.notifier), self.stored), (0, 0))

    def test_restart(self) -> None:
        """Subscriptions outlive the process; CSeq and version go on, the state comes anew."""
        watcher = self.watch()
        journal = self.node.die()
        self.clock.advance(5)
        self.node = self.make_node(journal=journal)
        self.phone("200")
        self.clock.advance(8)
        self.assertEqual(watcher.contacts(), [("active", "registered")])
        before, after = watcher.notifies[0], watcher.notifies[-1]
        self.assertGreater(after.cseq[0], before.cseq[0])
        self.assertGreater(int(watcher.document().get("version", "")), 0)
        watcher.subscribe()
        self.clock.advance(1)
        self.assertEqual(watcher.statuses, [200, 200])
        self.leave(watcher)

    def test_expired_while_dead(self) -> None:
        """What ended while no node ran is forgotten at start."""
        self.watch(100)
        journal = self.node.die()
        self.clock.advance(200)
        self.node = self.make_node(journal=journal)
        self.clock.advance(1)
        self.assertEqual((len(self.node.events.notifier), self.stored), (0, 0))

    def test_damaged_row(self) -> None:
        """A stored subscription that cannot be read stops nothing, and is named in health."""
        self.watch()
        journal = self.node.die()
        for row in journal.subscriptions.rows.values():
            row["details"] = {"dialog": {}}
        self.node = self.make_node(journal=journal)
        part = self.node.health.report()["parts"]["events"]
        self.assertEqual((part["ok"], part["text"][:8]), (False, "1 stored"))
        self.flushLoggedErrors(KeyError)

    def test_twenty_after_a_restart(self) -> None:
        """After a restart the subscribers are told one after the other."""
        with patch.object(notifier, "RESTART_RATE", 2):
            watchers = [self.watch() for _ in range(4)]
            journal = self.node.die()
            self.node = self.make_node(journal=journal)
            self.clock.advance(5)
        times = sorted(watcher.times[-1] for watcher in watchers)
        self.assertTrue(all(b - a >= 0.4 for a, b in pairwise(times)), times)
        for watcher in watchers:
            self.leave(watcher)
