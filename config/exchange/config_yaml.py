"""The YAML file of a configuration: written in one canonical form, read with lines.

YAML of values only: tags, anchors and aliases are refused, and so are doubled keys.  What a
person has to know of a mistake is its line, so the reader remembers the line of every field.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import yaml

from config.exchange.document import FORMAT, SECTIONS, Document
from config.model.entities import PLURALS

FILE_LIMIT: Final = 64 * 1024 * 1024  # octets: 200 000 users
DEEPEST: Final = 16  # levels; a configuration has five

_TAGS: Final = frozenset(
    f"tag:yaml.org,2002:{name}"
    for name in ("map", "seq", "str", "int", "float", "bool", "null", "timestamp")
)
_HEAD: Final = (
    "# The configuration of a sipx node, as `sipx config export` writes it.\n"
    "# Passwords are sealed with the node's cluster.key; write a new one without `sealed:`.\n"
)


class BadFile(Exception):
    """A file that is no configuration.

    Attributes:
        line: 1 is the first; 0 when the file as a whole is meant.
        message: what is wrong, with an example of what is right.
    """

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"line {line}: {message}" if line else message)
        self.line = line
        self.message = message


class ReadFile(NamedTuple):
    """A file that was read.

    Attributes:
        document: what it says.
        lines: of each thing (``rules/NAME``) and field (``rules/NAME/FIELD``), its line.
    """

    document: Document
    lines: Mapping[str, int]


class _Dumper(yaml.SafeDumper):
    """Writes lists indented, and texts that look like something else in quotes."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:
        return super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def write(document: Document) -> str:
    """Write a document; equal ones give equal octets."""
    return _HEAD + yaml.dump(
        document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100
    )


def read(text: str) -> ReadFile:
    """Read a file.

    Raises:
        BadFile: it is wrong; nothing of it is to be used.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        why = error.problem or "cannot be read"
        raise BadFile(mark.line + 1 if mark else 0, f"this is no YAML: {why}") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise BadFile(0, f"this is no YAML: {str(error).splitlines()[0]}") from None
    if root is None:
        return ReadFile({"sipx": FORMAT}, {})
    reader = _Reader()
    document = reader.value(root, 0)
    if not isinstance(document, dict):
        raise BadFile(1, "the file must begin with `sipx: 1` and have sections such as `rules:`")
    reader.check(document, root)
    return ReadFile(document, reader.lines)


class _Reader:
    def __init__(self) -> None:
        self.lines: dict[str, int] = {}
        self._seen: set[int] = set()
        self._constructor: Any = yaml.SafeLoader("")

    def value(self, node: Any, depth: int) -> Any:
        """Make the value of a node."""
        line = node.start_mark.line + 1
        if depth > DEEPEST:
            raise BadFile(line, f"this is nested deeper than {DEEPEST} levels")
        if id(node) in self._seen:
            raise BadFile(line, "an alias (*name) is not allowed: write the value out")
        self._seen.add(id(node))
        if node.tag not in _TAGS:
            raise BadFile(line, f"the tag {ascii(node.tag)[:40]} is not allowed: leave it out")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(one, depth + 1) for one in node.value]
        try:
            return self._constructor.construct_object(node)
        except (yaml.YAMLError, ValueError):
            raise BadFile(
                line, f"{ascii(node.value)[:40]} cannot be read; put it in quotes"
            ) from None

    def _mapping(self, node: Any, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if key is None or key_node.tag == "tag:yaml.org,2002:merge":
                raise BadFile(line, "a field needs a name of one word, such as `name: 200`")
            if key in found:
                raise BadFile(line, f"{ascii(key)[:40]} is there twice")
            found[key] = self.value(value_node, depth + 1)
        return found

    def check(self, document: dict[str, Any], root: Any) -> None:
        """See that a document has the right shape, and note the lines of things."""
        nodes = {key.value: (key, value) for key, value in root.value}
        first = root.start_mark.line + 1
        if document.get("sipx") != FORMAT:
            raise BadFile(first, f"the file must say `sipx: {FORMAT}`, the form that it is in")
        for section, value in document.items():
            if section == "sipx":
                continue
            key, node = nodes[section]
            line = key.start_mark.line + 1
            if section not in SECTIONS:
                known = ", ".join(SECTIONS)
                raise BadFile(line, f"there is no section {ascii(section)[:40]}; there are {known}")
            if section in PLURALS and PLURALS[section].single:
                if not isinstance(value, dict):
                    raise BadFile(line, f"{section} must have fields, such as `enabled: true`")
                self._note(f"{section}/node", node)
            elif isinstance(value, list):
                self._check_list(section, value, node)
            elif value is not None:
                raise BadFile(line, f"{section} must be a list: lines such as `  - name: example`")

    def _check_list(self, section: str, values: list[Any], node: Any) -> None:
        names: set[str] = set()
        for value, item in zip(values, node.value, strict=True):
            line = item.start_mark.line + 1
            if not isinstance(value, dict) or "name" not in value:
                raise BadFile(line, f"each of {section} needs a name: `- name: example`")
            name = value["name"]
            if not isinstance(name, str):
                raise BadFile(line, f"a name is text: write it in quotes, name: '{name}'")
            if name in names:
                raise BadFile(line, f"{section} have {ascii(name)[:40]} twice")
            names.add(name)
            self._note(f"{section}/{name}", item)

    def _note(self, thing: str, node: Any) -> None:
        self.lines[thing] = node.start_mark.line + 1
        for key, _ in node.value:
            self.lines[f"{thing}/{key.value}"] = key.start_mark.line + 1
