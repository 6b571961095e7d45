"""Which components run, and in which order they are built. Pure functions.

A component is built after all that provide what it requires or wants; where that leaves a
choice, by name, so that the order depends on nothing but the declarations.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from graphlib import CycleError, TopologicalSorter

from sipx.interfaces import IComponent
from sipx.node.errors import StartError


def selected(
    components: Iterable[IComponent], enable: Collection[str], disable: Collection[str]
) -> list[IComponent]:
    """Keep the components that run; who is both enabled and disabled does not."""
    return [
        component
        for component in components
        if component.name not in disable and (component.enabled or component.name in enable)
    ]


def ordered(running: Sequence[IComponent], known: Iterable[IComponent]) -> list[IComponent]:
    """Put components in the order in which they are built.

    Args:
        running: those that run.
        known: all there are, to say which of them would help.

    Raises:
        StartError: a requirement is missing, or components wait for each other.
    """
    providers: dict[str, set[str]] = {}
    for component in running:
        for interface in component.provides:
            providers.setdefault(interface, set()).add(component.name)
    known = list(known)
    waits: dict[str, set[str]] = {}
    for component in running:
        before: set[str] = set()
        for interface in component.requires:
            others = providers.get(interface, set()) - {component.name}
            if not others:
                raise StartError(_missing(component, interface, known))
            before |= others
        for interface in component.wants:
            before |= providers.get(interface, set()) - {component.name}
        waits[component.name] = before
    by_name = {component.name: component for component in running}
    return [by_name[name] for name in _sorted(waits)]


def _sorted(waits: dict[str, set[str]]) -> list[str]:
    sorter = TopologicalSorter(waits)
    try:
        sorter.prepare()
    except CycleError as error:
        # Each name in the cycle is waited for by the next one, the last is the first again.
        circle = " needs ".join(reversed(error.args[1]))
        raise StartError(
            f"Components wait for each other: {circle}; disable one of them."
        ) from error
    names: list[str] = []
    ready: list[str] = []
    while sorter.is_active():
        ready = sorted([*ready, *sorter.get_ready()])
        name = ready.pop(0)
        names.append(name)
        sorter.done(name)
    return names


def _missing(component: IComponent, interface: str, known: Sequence[IComponent]) -> str:
    what = f"The component {component.name} needs {interface}, which no running component provides"
    able = sorted(
        other.name
        for other in known
        if interface in other.provides and other.name != component.name
    )
    if not able:
        return f"{what} and no installed one could; install one, or --disable {component.name}."
    which = " or ".join(able)
    return f"{what}: enable {which}, or --disable {component.name}."
