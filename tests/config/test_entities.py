"""Things that are configured: what is right, what is wrong, and the file they travel in."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from config.exchange import config_yaml
from config.model.entities import KINDS, entity, short
from config.model.permissions import BUILT_IN
from config.model.rules import KINDS as RULES

RIGHT: dict[str, dict[str, Any]] = {
    "gateway": {"address": "gw.example.com"},
    "rule": {"kind": "custom", "patterns": ["9x."]},
    "huntgroup": {"fallback": "200"},
}

_LINES = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=40)
_NAMES = _LINES.map(str.strip).filter(bool)
_DIALED = st.from_regex(r"[0-9a-zA-Z*+][0-9a-zA-Z*]{0,8}", fullmatch=True)
_DIGITS = st.from_regex(r"[0-9*]{0,6}", fullmatch=True)
_RINGS = st.lists(
    st.fixed_dictionaries({"number": _DIALED}, optional={"seconds": st.integers(1, 999)}),
    max_size=3,
    unique_by=lambda ring: ring["number"],
)
_FIELDS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "group": st.fixed_dictionaries(
        {},
        optional={
            "weight": st.integers(0, 1000),
            "description": _LINES,
            "permissions": st.dictionaries(st.sampled_from(sorted(BUILT_IN)), st.booleans()),
            "timezone": st.sampled_from(["", "UTC", "Europe/Berlin"]),
        },
    ),
    "gateway": st.fixed_dictionaries(
        {"address": st.sampled_from(["gw.example.com", "192.0.2.1", "[2001:db8::1]"])},
        optional={"prefix": _DIGITS, "port": st.integers(0, 65535), "description": _LINES},
    ),
    "rule": st.fixed_dictionaries(
        {"kind": st.just("custom"), "patterns": st.just(["9x.", "0[1-9]x", "no", "007"])},
        optional={"description": _LINES, "enabled": st.booleans()},
    ),
    "huntgroup": st.fixed_dictionaries(
        {"fallback": _DIALED}, optional={"rings": _RINGS, "description": _LINES}
    ),
    "schedule": st.fixed_dictionaries(
        {},
        optional={
            "periods": st.just([{"days": "weekdays", "start": "8:30", "stop": "17:00"}]),
            "holidays": st.lists(st.dates().map(str), max_size=3, unique=True),
        },
    ),
}


class KindTests(SynchronousTestCase):
    """Reading things."""

    def wrong(self, kind: str, **fields: Any) -> dict[str, str]:
        """Read something that is wrong; gives the errors by field."""
        found, errors = entity(KINDS[kind], "x", {**RIGHT.get(kind, {}), **fields})
        self.assertIsNone(found)
        return {error.field: error.message for error in errors}

    def test_defaults(self) -> None:
        """What is as by default need not be said, whatever the kind."""
        for kind in KINDS.values():
            found, errors = entity(kind, "200", RIGHT.get(kind.name, {}))
            assert found is not None, errors
            again, _ = entity(kind, "200", short(kind, found.fields))
            self.assertEqual(again, found)

    def test_north_america(self) -> None:
        """The rule kinds have the defaults of the North American plan."""
        expected: dict[str, dict[str, Any]] = {
            "voicemail": {"extension": "101", "transfer_prefix": "8", "extension_length": 3},
            "attendant": {"extension": "100", "aliases": ["0", "operator"]},
            "emergency": {"number": "911", "optional_prefix": "9"},
            "local": {"pstn_prefix": "9", "length": 7, "permissions": ["LocalDialing"]},
            "long_distance": {"long_distance_prefix": "1", "length": 10},
            "toll_free": {"area_codes": ["800", "866", "877", "888"]},
            "restricted": {"area_codes": ["900"], "permissions": ["900Dialing"]},
            "international": {"long_distance_prefix": "011", "length": 0},
            "intercom": {"prefix": "*76"},
            "paging": {"prefix": "*77"},
            "authcode": {"prefix": "*82"},
            "callback": {"prefix": "*92"},
        }
        for name, fields in expected.items():
            given: dict[str, Any] = {"kind": name}
            if any(one.name == "gateways" for one in RULES[name]):
                given = {"kind": name, "enabled": False}
            found, errors = entity(KINDS["rule"], "x", given)
            assert found is not None, errors
            self.assertEqual({one: found.fields[one] for one in fields}, fields, name)

    def test_canonical(self) -> None:
        """Different ways to say the same are the same."""
        for one, other in (
            ({"days": "weekdays", "start": "8:00", "stop": "17:00"}, {"start": "08:00"}),
            ({"days": ["Friday", "monday"], "start": "00:00", "stop": "24:00"}, {}),
        ):
            found, errors = entity(KINDS["schedule"], "x", {"periods": [one]})
            assert found is not None, errors
            (period,) = found.fields["periods"]
            self.assertEqual({**period, **other}, period)
        found, _ = entity(KINDS["branch"], "x", {"networks": ["10.1.2.3/8", "192.0.2.1"]})
        assert found is not None
        self.assertEqual(found.fields["networks"], ["10.0.0.0/8", "192.0.2.1/32"])

    def test_patterns(self) -> None:
        """Patterns are sipXecs' language, and what is none is told with one that is right."""
        for right in ("9x.", "*78.", "[1-9]xx", "\\x", "+49.", "~~vm~.", "operator"):
            found, errors = entity(KINDS["rule"], "x", {"kind": "custom", "patterns": [right]})
            self.assertIsNotNone(found, errors)
        for bad in ("", "9[1", "9]", "9\\", "9 1", "[]", 911):
            message = self.wrong("rule", patterns=[bad])["patterns"]
            self.assertIn("right is, for example, ['9x.'", message)

    def test_call(self) -> None:
        """A transform knows its tokens."""
        self.assertIn("there are only", self.wrong("rule", call="{number}")["call"])
        self.assertIn("other half", self.wrong("rule", call="{digits")["call"])
        self.assertIn("cannot be dialed", self.wrong("rule", call="a b")["call"])

    def test_wrong(self) -> None:
        """Each wrong field is told in words."""
        for kind, fields, expected in (
            ("gateway", {"address": "a b"}, "neither a host name nor an IP address"),
            ("gateway", {"address": "300.1.1.1"}, "no IP network"),
            ("gateway", {"port": 70_000}, "from 0 to 65535"),
            ("gateway", {"port": True}, "from 0 to 65535"),
            ("gateway", {"transport": "sctp"}, "must be one of"),
            ("gateway", {"prefix": 9}, "a number in quotes"),
            ("schedule", {"timezone": "Berlin"}, "no time zone"),
            ("schedule", {"holidays": ["25.12."]}, "no date"),
            ("schedule", {"periods": [{"days": [], "start": "1:00", "stop": "2:00"}]}, "days"),
            (
                "schedule",
                {"periods": [{"days": "weekend", "start": "22:00", "stop": "6:00"}]},
                "not after it starts",
            ),
            ("schedule", {"periods": [{"days": "x", "start": "1:00", "stop": "2:00"}]}, "no day"),
            ("branch", {"networks": ["10.0.0.0/99"]}, "no IP network"),
            ("huntgroup", {"rings": [{"seconds": 3}]}, "has no number"),
            ("huntgroup", {"rings": [{"number": "a@b c"}]}, "no host"),
            ("huntgroup", {"rings": [{"number": "1", "x": 1}]}, "no field there"),
            ("group", {"permissions": {"LocalDialing": "yes"}}, "neither true nor false"),
            ("rule", {"enabled": "yes"}, "true or false"),
        ):
            ((field, message),) = self.wrong(kind, **fields).items()
            self.assertIn(field, fields)
            self.assertIn(expected, message)

    def test_between(self) -> None:
        """What is right by itself and wrong together is told too."""
        local = {"kind": "local", "gateways": ["a"]}
        for fields, field in (
            ({"kind": "local"}, "gateways"),
            ({**local, "length": 2, "area_codes": ["800"]}, "area_codes"),
            ({**local, "length": 0}, "length"),
            ({"kind": "emergency", "number": "", "gateways": ["a"]}, "number"),
            ({"kind": "park", "orbits": []}, "orbits"),
            ({"kind": "paging", "prefix": ""}, "prefix"),
            ({"kind": "custom", "patterns": []}, "patterns"),
        ):
            found, errors = entity(KINDS["rule"], "x", fields)
            self.assertIsNone(found)
            self.assertEqual([error.field for error in errors], [field])

    def test_names(self) -> None:
        """A name is something to see."""
        for name in ("", " a", "a\n", "x" * 65, 7, None):
            found, errors = entity(KINDS["branch"], name, {})
            self.assertIsNone(found)
            self.assertEqual([error.field for error in errors], ["name"])


class FileTests(SynchronousTestCase):
    """Things in a file."""

    @settings(max_examples=150, deadline=None, derandomize=True)
    @given(
        st.fixed_dictionaries(
            {
                kind: st.dictionaries(_NAMES if kind != "huntgroup" else _DIALED, own, max_size=3)
                for kind, own in _FIELDS.items()
            }
        )
    )
    def test_round_trip(self, configured: dict[str, dict[str, Any]]) -> None:
        """What is exported, read and exported again is the same, octet by octet."""
        document: dict[str, Any] = {"sipx": 1}
        for kind, things in configured.items():
            document[KINDS[kind].plural] = [
                {"name": name, **self.canonical(kind, name, fields)}
                for name, fields in sorted(things.items())
            ]
        text = config_yaml.write(document)
        read = config_yaml.read(text).document
        self.assertEqual(read, document)
        for kind, things in configured.items():
            for thing in read[KINDS[kind].plural]:
                fields = {name: value for name, value in thing.items() if name != "name"}
                self.assertEqual(self.canonical(kind, thing["name"], fields), fields)
            self.assertEqual(len(read[KINDS[kind].plural]), len(things))
        self.assertEqual(config_yaml.write(read), text)

    def canonical(self, kind: str, name: str, fields: dict[str, Any]) -> dict[str, Any]:
        """What an export has of a thing."""
        found, errors = entity(KINDS[kind], name, fields)
        assert found is not None, errors
        return short(KINDS[kind], found.fields)

    @settings(max_examples=200, deadline=None, derandomize=True)
    @given(st.text(max_size=200))
    def test_anything(self, text: str) -> None:
        """Whatever a file holds, it is read or refused in words."""
        try:
            config_yaml.read(text)
        except config_yaml.BadFile as error:
            self.assertTrue(error.message)
