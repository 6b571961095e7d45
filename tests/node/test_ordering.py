"""In which order components are built."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipx.interfaces import IComponent
from sipx.node.component import Component
from sipx.node.discovery import discover
from sipx.node.ordering import ordered, selected
from tests.node.parts import sentence


def component(name: str, provides: str = "", requires: str = "", wants: str = "") -> Component:
    return Component(
        name, "x.y", provides=provides.split(), requires=requires.split(), wants=wants.split()
    )


def names(components: Sequence[IComponent]) -> list[str]:
    return [component.name for component in components]


@st.composite
def layered(draw: st.DrawFn) -> list[Component]:
    """Draw components that need only what those drawn before provide, in any order."""
    made: list[Component] = []
    offered: list[str] = []
    for number in range(draw(st.integers(1, 8))):
        picked = st.lists(st.sampled_from(offered), unique=True) if offered else st.just([])
        requires, wants = draw(picked), draw(picked)
        provides = draw(st.lists(st.sampled_from("ABCDE"), unique=True))
        # Who comes later may not provide what is already needed, or there would be cycles.
        needed = {name for one in made for name in (*one.requires, *one.wants)}
        mine = [name for name in provides if name not in {*needed, *requires, *wants}]
        name = draw(st.sampled_from("zyx")) + str(number)
        made.append(Component(name, "x.y", provides=mine, requires=requires, wants=wants))
        offered = sorted({*offered, *mine})
    return list(draw(st.permutations(made)))


class OrderTests(SynchronousTestCase):
    """After what they need; otherwise by name."""

    @settings(derandomize=True, deadline=None)
    @given(layered())
    def test_after_needs(self, components: list[Component]) -> None:
        """Everybody comes once, and after all that provide what it requires or wants."""
        order = ordered(components, components)
        self.assertEqual(sorted(names(order)), sorted(names(components)))
        for index, one in enumerate(order):
            for interface in (*one.requires, *one.wants):
                for other in order[index + 1 :]:
                    self.assertNotIn(interface, other.provides)

    @settings(derandomize=True, deadline=None)
    @given(layered(), st.randoms(use_true_random=False))
    def test_declarations_alone(self, components: list[Component], random: st.Random) -> None:  # type: ignore[name-defined]
        """The order in which they were found makes no difference."""
        shuffled = list(components)
        random.shuffle(shuffled)
        self.assertEqual(ordered(components, components), ordered(shuffled, shuffled))

    def test_missing(self) -> None:
        """The message names the component, the interface and what there is to do."""
        proxy, registrar = component("proxy", requires="ILocation"), component("r", "ILocation")
        with sentence(self, "component proxy needs ILocation", "enable r,", "--disable proxy"):
            ordered([proxy], [proxy, registrar])
        with sentence(self, "component proxy needs ILocation", "install one"):
            ordered([proxy], [proxy])

    def test_not_from_itself(self) -> None:
        """What a component requires comes from another one."""
        with sentence(self, "component a needs X"):
            ordered([component("a", "X", "X")], [])

    def test_wants(self) -> None:
        """What is only wanted may be missing."""
        self.assertEqual(names(ordered([component("a", wants="X")], [])), ["a"])

    def test_transports_together(self) -> None:
        """A component may want what it provides too: it comes after the others that do."""
        parts = [component("a", "T", wants="T"), component("b", "T"), component("c", "T")]
        self.assertEqual(names(ordered(parts, parts)), ["b", "c", "a"])

    def test_cycle(self) -> None:
        """The circle is named."""
        parts = [component("a", "A", "B"), component("b", "B", "A"), component("c", wants="A")]
        with sentence(self, "wait for each other", "a needs b", "b needs a"):
            ordered(parts, parts)

    def test_own_components(self) -> None:
        """The declared components can be put in order, with and without quickstart."""
        known = discover().components
        ours = [one for one in known if one.factory.startswith(("sipx.", "config."))]
        for enable in ([], ["quickstart"]):
            order = names(ordered(selected(ours, enable, []), ours))
            # The last stops first: the proxy answers open calls before the transports go.
            self.assertGreater(order.index("proxy"), order.index("udp"))
            self.assertGreater(order.index("proxy"), order.index("tcp"))
            self.assertGreater(order.index("registrar"), order.index("storage"))
