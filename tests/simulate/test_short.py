"""Each of the longer trials, as short as ``make test`` can bear."""

from __future__ import annotations

from tests.simulate.fuzz import FuzzTests
from tests.simulate.simulate import SimulationTests
from tests.simulate.soak import SoakTests
from tests.simulate.storm import StormTests


class ShortSimulationTests(SimulationTests):
    """Some worlds."""

    seeds = 60
    first = 0


class ShortStormTests(StormTests):
    """A small storm."""

    phones = 200


class ShortSoakTests(SoakTests):
    """An hour and a half."""

    hours = 1.5


class ShortFuzzTests(FuzzTests):
    """Some damage."""

    messages = 3000
    seed = 1


del FuzzTests, SimulationTests, SoakTests, StormTests
