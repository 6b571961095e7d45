"""The declaration of a component: what a Twisted plugin module holds, strings only.

Nothing that a declaration names is imported before the node needs it, so that looking for
plugins stays cheap and a component that is off costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from twisted.plugin import IPlugin
from zope.interface import implementer

from sipx.interfaces import IComponent


@implementer(IPlugin, IComponent)
@dataclass(frozen=True)
class Component:
    """One part of a node.

    Attributes:
        name: unique, lower case; what ``--enable`` and ``--disable`` take.
        factory: dotted name of a callable that takes an INodeContext and returns an IService.
        description: one line for ``--list-components``.
        provides: dotted names of the interfaces that the factory registers with the context.
        requires: dotted names of interfaces it cannot do without; it is built after all that
            provide them.
        wants: interfaces it uses when present; it is built after all that provide them.
        options: ``sipx.node.options.Option`` values for the command line.
        enabled: whether a node runs it unless told otherwise.
    """

    name: str
    factory: str
    description: str = ""
    provides: Sequence[str] = ()
    requires: Sequence[str] = ()
    wants: Sequence[str] = ()
    options: Sequence[Any] = ()
    enabled: bool = True
