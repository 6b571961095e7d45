"""The contacts of a REGISTER: what is asked for each of them.

Source: RFC 3261 sections 10.3, 20.10 and 25.1; ``+sip.instance`` is RFC 5626 section 4.1.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from sipx.core.errors import RemoteError
from sipx.core.grammar import parse_number, unquote
from sipx.core.nameaddr import parse_nameaddr
from sipx.core.uri import Uri, equivalent, parse_uri

MOST_CONTACTS: Final = 32  # in one request; a phone that moves names its old and new ones
LONGEST_CONTACT: Final = 512  # characters of a contact's URI; it is kept and sent again
LONGEST_INSTANCE: Final = 256  # characters; a UUID URN has 45
REMEMBERED_CONTACTS: Final = 32768  # values of Contact read before; peers choose them: 20 MB
LONGEST_REMEMBERED: Final = 200  # characters
LARGEST_EXPIRES: Final = 2**32 - 1  # RFC 3261 section 20.19

_qvalue = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?").fullmatch
_instance = re.compile(r'[^\s"<>\\\x00-\x1f\x7f-\U0010ffff]+').fullmatch
_mac_of_uuid = re.compile(
    r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-1[0-9a-f]{3}-[89ab][0-9a-f]{3}-([0-9a-f]{12})",
    re.IGNORECASE,
).fullmatch
# What phones say that were never given a UUID: it names no phone in particular.
_NIL_INSTANCE: Final = "urn:uuid:00000000-0000-0000-0000-000000000000"


class Contact:
    """One contact of a request.

    Attributes:
        uri: as it may stand in a Request-URI.
        q: 1.0 when absent.
        expires: seconds asked for; None when the contact does not say.
        instance: without quotes and brackets; empty when absent.
    """

    __slots__ = ("expires", "instance", "q", "uri")

    def __init__(self, uri: Uri, q: float, expires: int | None, instance: str) -> None:
        self.uri = uri
        self.q = q
        self.expires = expires
        self.instance = instance


def read_contacts(values: list[str]) -> list[Contact]:
    """Read the values of Contact, of which none is ``*``.

    Contacts that are no SIP addresses are left out as long as others remain.  Of equivalent
    ones the last counts.

    Raises:
        RemoteError: 400 malformed; 403 beyond a limit, or no SIP address among them.
    """
    if not values:
        raise RemoteError(400, "Malformed Contact")
    if len(values) > MOST_CONTACTS:
        raise RemoteError(403, f"More than {MOST_CONTACTS} contacts in one request")
    contacts: list[Contact] = []
    for value in values:
        contact = _read(value)
        if contact is None:
            continue
        if contacts:
            contacts = [other for other in contacts if not equivalent(other.uri, contact.uri)]
        contacts.append(contact)
    if not contacts:
        raise RemoteError(403, "No contact is a SIP address")
    return contacts


def _read(value: str) -> Contact | None:
    """Read one value; a phone sends the same one again and again."""
    parts = _parts(value) if len(value) > LONGEST_REMEMBERED else _remembered(value)
    return None if parts is None else Contact(*parts)


def _parts(value: str) -> tuple[Uri, float, int | None, str] | None:
    """What a value says, in the order of Contact's arguments; None for no SIP address."""
    address = parse_nameaddr(value, "Contact")
    text = address.uri_text
    if len(text) > LONGEST_CONTACT:
        raise RemoteError(403, f"A contact is longer than {LONGEST_CONTACT} characters")
    uri = parse_uri(text)
    if not uri.is_sip:
        return None
    if not text.isascii():
        raise RemoteError(400, "Malformed Contact")
    q = 1.0
    expires = None
    instance = ""
    if address.params_text:
        params = address.params
        if "q" in params:
            q_text = params["q"]
            if q_text is None or _qvalue(q_text) is None:
                raise RemoteError(400, "Malformed q in Contact")
            q = float(q_text)
        if "expires" in params:
            expires = parse_number(params["expires"] or "", "Contact expires", LARGEST_EXPIRES)
        if "+sip.instance" in params:
            instance = read_instance(params["+sip.instance"] or "")
    return uri.as_target(), q, expires, instance


_remembered = lru_cache(REMEMBERED_CONTACTS)(_parts)


def read_instance(value: str) -> str:
    """Read ``+sip.instance``: the URN inside quotes and brackets; empty for the nil UUID.

    Raises:
        RemoteError: 400 malformed; 403 too long.
    """
    text = unquote(value)
    if text[:1] == "<" and text[-1:] == ">":
        text = text[1:-1]
    if _instance(text) is None:
        raise RemoteError(400, "Malformed +sip.instance in Contact")
    if len(text) > LONGEST_INSTANCE:
        raise RemoteError(403, f"+sip.instance is longer than {LONGEST_INSTANCE} characters")
    return "" if text.lower() == _NIL_INSTANCE else text


def instrument_of(instance: str) -> str:
    """Name the phone that an instance means, as sipXecs does.

    Returns:
        Of a version 1 UUID the MAC address in it, twelve digits in lower case; else the
        whole URN.
    """
    found = _mac_of_uuid(instance)
    return instance if found is None else found.group(1).lower()
