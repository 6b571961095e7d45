"""What the registrar offers beside ILocation and IRequestServer."""

from __future__ import annotations

from zope.interface import Interface


class IRegistrations(Interface):
    """What may be done to registrations without a REGISTER."""

    def forget(user: str) -> int:
        """Remove all bindings of a user, in memory and, by the journal, in the database.

        Args:
            user: the user's name in our domain; nothing happens when it is unknown.

        Returns:
            How many there were.
        """
