"""Reads sipXecs' rule files: XML that is checked, element by element, before anything uses it.

The four files are ``mappingrules.xml``, ``fallbackrules.xml``, ``authrules.xml`` and
``forwardingrules.xml``.  Neither entities nor anything of the network is ever resolved; a
document type is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from lxml import etree

FILE_LIMIT: Final = 16 * 1024 * 1024  # octets: thousands of rules
NAMESPACE: Final = "http://www.sipfoundry.org/sipX/schema/xml/"
# What the name of the namespace says a file is.
FILES: Final[Mapping[str, str]] = {
    "urlmap-00-00": "mappingrules",
    "fallback-00-00": "fallbackrules",
    "urlauth-00-00": "authrules",
    "forwardingrules-00-00": "forwardingrules",
}
_TRANSFORM: Final = "url user host urlparams headerparams fieldparams"
# What each element may hold; "" is text only.
_CHILDREN: Final[Mapping[str, str]] = {
    "mappings": "hostMatch",
    "hostMatch": "name description ruleType hostPattern userMatch",
    "userMatch": "description callTag userPattern permissionMatch callerLocationMatch transform",
    "permissionMatch": "permission transform",
    "callerLocationMatch": "callerLocation transform",
    "transform": _TRANSFORM,
    "routes": "route",
    "route": "routeFrom routeIPv4subnet routeDnsWildcard routeTo methodMatch",
    "methodMatch": "methodPattern fieldMatch routeTo",
    "fieldMatch": "fieldPattern routeTo",
    **dict.fromkeys(
        (*_TRANSFORM.split(), "name", "description", "ruleType", "hostPattern", "callTag"), ""
    ),
    **dict.fromkeys(("userPattern", "permission", "callerLocation", "methodPattern"), ""),
    **dict.fromkeys(("fieldPattern", "routeFrom", "routeTo"), ""),
    **dict.fromkeys(("routeIPv4subnet", "routeDnsWildcard"), ""),
}


class Inexpressible(Exception):
    """A file, or an element of it, that cannot become a part of a dial plan.

    Attributes:
        line: of the element; 0 when the file as a whole is meant.
        message: which element, and why.
        kind: which of the four files, where that is known.
    """

    def __init__(self, line: int, message: str, kind: str = "") -> None:
        super().__init__(f"line {line}: {message}" if line else message)
        self.line = line
        self.message = message
        self.kind = kind


class Node:
    """An element that passed the check."""

    __slots__ = ("_element", "line", "name", "text")

    def __init__(self, element: Any) -> None:
        self._element = element
        self.name = etree.QName(element).localname
        self.line = int(element.sourceline)
        self.text = (element.text or "").strip()

    def all(self, name: str) -> list[Node]:
        """Give the children of a name, in their order."""
        return [node for node in self.children() if node.name == name]

    def texts(self, name: str) -> list[str]:
        """Give the texts of the children of a name."""
        return [node.text for node in self.all(name)]

    def said(self, name: str) -> str:
        """Give the text of the first child of a name; empty when there is none."""
        return next(iter(self.texts(name)), "")

    def children(self) -> Iterator[Node]:
        """Give all children."""
        for child in self._element:
            if isinstance(child.tag, str):
                yield Node(child)

    def comment(self) -> str:
        """Give the first comment: sipXconfig writes the name of the rule there."""
        for child in self._element:
            if child.tag is etree.Comment:
                return (child.text or "").strip()
        return ""

    def attribute(self, name: str) -> str:
        """Give an attribute; empty when there is none."""
        return str(self._element.get(name, ""))

    def refuse(self, why: str) -> Inexpressible:
        """Make the error that names this element."""
        namespace = etree.QName(self._element).namespace or ""
        kind = FILES.get(namespace.removeprefix(NAMESPACE), "")
        return Inexpressible(self.line, f"<{self.name}> {why}", kind)


def read(octets: bytes) -> tuple[str, Node]:
    """Read a file.

    Returns:
        Which of the four files it is, and its root.

    Raises:
        Inexpressible: it is none of them.
    """
    if len(octets) > FILE_LIMIT:
        raise Inexpressible(0, f"the file is larger than {FILE_LIMIT // 1024 // 1024} MiB")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_pis=True
    )
    try:
        root = etree.fromstring(octets, parser)
    except etree.XMLSyntaxError as error:
        line = error.lineno or 0
        raise Inexpressible(line, f"this is no XML: {error.msg}") from None
    information: Any = root.getroottree().docinfo
    if information.doctype:
        raise Inexpressible(1, "a DOCTYPE is not allowed: take that line out")
    name = etree.QName(root)
    kind = FILES.get((name.namespace or "").removeprefix(NAMESPACE), "")
    expected = "routes" if kind == "forwardingrules" else "mappings"
    if not kind or name.localname != expected:
        raise Inexpressible(
            1,
            "this is none of sipXecs' rule files; right begins, for example, with"
            f' <mappings xmlns="{NAMESPACE}urlmap-00-00">',
        )
    _check(root, str(name.namespace))
    return kind, Node(root)


def _check(element: Any, namespace: str) -> None:
    known = _CHILDREN[etree.QName(element).localname].split()
    for child in element:
        if child.tag is etree.Comment:
            continue
        if not isinstance(child.tag, str):
            raise Inexpressible(child.sourceline, "an entity is not allowed: write it out")
        name = etree.QName(child)
        if name.namespace != namespace or name.localname not in known:
            inside = etree.QName(element).localname
            may = f"only {', '.join(known)} may be" if known else "only text may be"
            raise Inexpressible(
                child.sourceline, f"<{name.localname}> is not known in <{inside}>, where {may}"
            )
        _check(child, namespace)
