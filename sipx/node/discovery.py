"""Which components there are: plugins that provide IComponent.

``twisted.plugin`` imports each module in ``twisted/plugins`` once and remembers what it
found in ``dropin.cache``. A module that raises is logged and left out; here it is also
named, so that health can say what is missing and why.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType

from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.plugin import getPlugins
from twisted.python.failure import Failure
from zope.interface import implementer

from sipx.interfaces import IComponent
from sipx.node.errors import StartError


@dataclass(frozen=True)
class Discovery:
    """What was found.

    Attributes:
        components: sorted by name; every name once.
        broken: for each plugin module that could not be loaded its name and the exception.
    """

    components: Sequence[IComponent]
    broken: Sequence[tuple[str, str]] = ()

    def named(self, name: str) -> IComponent | None:
        """Find a component, or None."""
        return next((found for found in self.components if found.name == name), None)


def discover(package: ModuleType | None = None) -> Discovery:
    """Look for components.

    Args:
        package: where the plugin modules are; None for ``twisted.plugins``.

    Raises:
        StartError: two components have one name.
    """
    if package is None:
        import twisted.plugins as package
    assert package is not None
    with _failures() as failures:
        found = list(getPlugins(IComponent, package))
    by_name: dict[str, IComponent] = {}
    for component in found:
        other = by_name.setdefault(component.name, component)
        if other is not component:
            raise StartError(
                f"Two components are named {component.name}: {other.factory} and"
                f" {component.factory}; remove one of them from twisted/plugins."
            )
    folders = [os.path.abspath(path) for path in package.__path__]
    broken = {_module(failure, folders): _words(failure) for failure in failures}
    return Discovery([by_name[name] for name in sorted(by_name)], sorted(broken.items()))


@contextmanager
def _failures() -> Iterator[list[Failure]]:
    """Collect the failures that are logged meanwhile; they are still logged."""
    found: list[Failure] = []

    observer = _Failures(found)
    globalLogPublisher.addObserver(observer)
    try:
        yield found
    finally:
        globalLogPublisher.removeObserver(observer)


@implementer(ILogObserver)
class _Failures:
    def __init__(self, found: list[Failure]) -> None:
        self._found = found

    def __call__(self, event: LogEvent) -> None:
        # twisted.plugin still logs in the old style.
        failure = event.get("log_failure") or event.get("failure")
        if failure is not None:
            self._found.append(failure)


def _module(failure: Failure, folders: Sequence[str]) -> str:
    """Find the plugin module that a failure began in."""
    files: list[str] = []
    place = failure.getTracebackObject()
    while place is not None:
        files.append(place.tb_frame.f_code.co_filename)
        place = place.tb_next
    if isinstance(failure.value, SyntaxError) and failure.value.filename:
        files.append(failure.value.filename)
    for file in files:
        folder, name = os.path.split(os.path.abspath(file))
        if folder in folders:
            return name.removesuffix(".py")
    return "unknown"


def _words(failure: Failure) -> str:
    assert failure.type is not None
    return f"{failure.type.__name__}: {failure.getErrorMessage()}"
