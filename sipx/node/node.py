"""A node: builds what its components need, builds them, starts them, stops them again."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from twisted.application.service import IService, MultiService, Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.logger import Logger

from sipx.interfaces import IComponent, IJournalSink
from sipx.node.addresses import machine_addresses
from sipx.node.certificate import keep_certificate
from sipx.node.context import NodeContext
from sipx.node.discovery import Discovery
from sipx.node.errors import StartError
from sipx.node.feeder import Feeder
from sipx.node.files import lock_state, prepare_state
from sipx.node.health import Health
from sipx.node.identity import Identity, kept_realm, make_identity
from sipx.node.journal import Journal
from sipx.node.keys import kept_keys
from sipx.node.ordering import ordered
from sipx.node.repeats import TICK, Repeats
from sipx.node.ticker import Ticker
from sipx.node.upkeep import JournalUpkeep
from sipx.node.watchdog import Watchdog
from sipx.node.worker import Worker

log = Logger()


class Node(MultiService):
    """The services of one node, in the order in which they depend on each other.

    When a start fails, ``stopService`` gives back what it took so far.
    """

    def __init__(
        self,
        reactor: Any,
        options: Mapping[str, Any],
        discovery: Discovery,
        running: Sequence[IComponent],
        monotonic: Callable[[], float] = time.monotonic,
        utc: Callable[[], float] = time.time,
    ) -> None:
        """Make a node; nothing is touched yet.

        Args:
            reactor: the Twisted reactor.
            options: parsed options by name.
            discovery: all components there are.
            running: those of them to run.
            monotonic: the clock of machines.
            utc: the wall clock.
        """
        super().__init__()
        self.context: NodeContext
        self.health = Health()
        self._reactor = reactor
        self._options = options
        self._discovery = discovery
        self._running = running
        self._monotonic = monotonic
        self._utc = utc
        self._lock: int | None = None
        self._journal: Journal | None = None
        self._feeder: Feeder | None = None
        self._sync_worker = Worker(reactor, "journal sync")
        self._feed_worker = Worker(reactor, "journal feed")
        self._repeats = Repeats()
        self._ticker = Ticker(reactor, TICK, self._repeats.tick, monotonic)
        # What stops, and under which name, in the order it was started.
        self._stops: list[tuple[str, Callable[[], Any]]] = []

    def privilegedStartService(self) -> None:
        """Build everything; blocks, because nothing else runs yet.

        Raises:
            StartError: something prevents it.
        """
        components = ordered(self._running, self._discovery.components)
        self._prepare()
        for component in components:
            with _blaming(component.name):
                self._build(component)
        for module, why in self._discovery.broken:
            self.health.set(f"plugin {module}", False, f"does not load: {why}")
        for service in self:
            with _blaming(service.name):
                service.privilegedStartService()

    def startService(self) -> None:
        """Start the components, in order.

        Raises:
            StartError: one of them does not start.
        """
        Service.startService(self)
        self._ticker.start()
        for service in self:
            self._stops.append((service.name, service.stopService))
            with _blaming(service.name):
                service.startService()
        names = [service.name for service in self if not isinstance(service, _Stopping)]
        self.health.set("components", True, ", ".join(names) or "none")
        if self._feeder is None:
            self.health.set("journal feed", False, "no component stores what is in the journal")

    def stopService(self) -> Deferred[None]:
        """Stop the components one after another, the last first, then the journal."""
        Service.stopService(self)
        return Deferred.fromCoroutine(self._stop())

    def _prepare(self) -> None:
        """Make what all components share."""
        state = self._options["state"]
        prepare_state(state)
        self._lock = lock_state(state)
        keys = kept_keys(state)
        identity = self._identity()
        keep_certificate(state, identity, self._utc())
        self._journal = Journal(state / "journal", self.health)
        upkeep = JournalUpkeep(self._journal, self.health, self._sync_worker.do)
        for tick in (upkeep.tick, Watchdog(self.health, TICK).tick):
            self._repeats.add(TICK, tick)
        self.context = NodeContext(
            self._reactor,
            state,
            self._options,
            identity,
            keys,
            self._journal,
            self.health,
            self._repeats,
            self._monotonic,
            self._utc,
        )

    def _identity(self) -> Identity:
        options = self._options
        listen = options["listen"] or machine_addresses() or ("127.0.0.1",)
        realm = kept_realm(options["state"])
        return make_identity(realm, options["domain"], listen, options["sip-port"])

    def _build(self, component: IComponent) -> None:
        before = {name: self.context.provided(name) for name in component.provides}
        service = _factory(component)(self.context)
        if not IService.providedBy(service):
            raise TypeError(f"{component.factory} returned {service!r}, which is no service")
        for name, count in before.items():
            if self.context.provided(name) == count:
                raise StartError(
                    f"The component {component.name} is declared to provide {name}, but its"
                    " factory did not: that is a fault of the component."
                )
        service.setName(component.name)
        service.setServiceParent(self)
        if self._feeder is None and self.context.every(IJournalSink):
            self._replay()

    def _replay(self) -> None:
        """Bring the database up to date before anybody reads it."""
        assert self._journal is not None
        self._feeder = Feeder(
            self._journal,
            self.context.get(IJournalSink),
            self.health,
            self._feed_worker.do,
            self._monotonic,
            self._utc,
        )
        self._feeder.replay()
        self._repeats.add(TICK, self._feeder.tick)
        feed = _Stopping("journal feed", self._feeder.stop)
        feed.setServiceParent(self)

    async def _stop(self) -> None:
        while self._stops:
            name, stop = self._stops.pop()
            if self._journal is not None:
                self._journal.commit()
            try:
                await maybeDeferred(stop)
            except Exception:
                log.failure("{name} did not stop well", name=name)
        self._ticker.stop()
        self._feed_worker.stop()
        journal, self._journal = self._journal, None
        if journal is not None:
            try:
                await self._sync_worker.do(journal.close)
            except OSError as error:
                log.error("the journal did not close well: {why}", why=error)
        self._sync_worker.stop()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


class _Stopping(Service):
    """A step of stopping that has its place among the components."""

    def __init__(self, name: str, stop: Callable[[], Deferred[None]]) -> None:
        self.setName(name)
        self._stop = stop

    def stopService(self) -> Deferred[None]:
        super().stopService()
        return self._stop()


def _factory(component: IComponent) -> Callable[[NodeContext], Any]:
    module, _, name = component.factory.rpartition(".")
    try:
        found: Callable[[NodeContext], Any] = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise StartError(
            f"The component {component.name} cannot be loaded: {error};"
            f" mend that, or --disable {component.name}."
        ) from error
    return found


@contextmanager
def _blaming(name: str) -> Iterator[None]:
    """Say which component it was: in one sentence where the system refused something."""
    try:
        yield
    except (OSError, CannotListenError) as error:
        raise StartError(f"The component {name} does not start: {error}") from error
    except StartError:
        raise
    except Exception as error:
        error.add_note(f"while the component {name} was built or started")
        raise
