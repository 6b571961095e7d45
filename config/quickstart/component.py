"""Makes five users at the first start with ``--quickstart``, and says how to begin.

It comes last, when everything listens, so that a start that is refused leaves no users whose
passwords nobody saw. The passwords are written into a file that only the node's user can read,
then the users are made; on a terminal the passwords are shown, once, and the file goes again.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, TextIO

from twisted.application.service import IService, Service

from config.commands.interfaces import IUserCommands
from config.model.password import random_password
from config.model.user import UserEdit
from config.storage import nodevalues, users
from config.storage.interfaces import IDatabase, Transaction
from sipx.interfaces import IApiAddress, INodeContext
from sipx.node.errors import StartError
from sipx.node.files import write_private
from sipx.node.programs import typed

USERS: Final = ("200", "201", "202", "203", "204")
FILE: Final = "quickstart.txt"
_VALUE: Final = "quickstart"  # set when the users were made, so that removed ones stay away


class Quickstart(Service):
    """Runs once at start.

    Args:
        context: of the node.
        out: where to print; stdout, past the log, when None.
    """

    name = "quickstart"

    def __init__(self, context: INodeContext, out: TextIO | None = None) -> None:
        self._context = context
        self._out = out or sys.__stdout__

    def startService(self) -> None:
        """Make the users where there are none yet, and print.

        Raises:
            StartError: the file of passwords cannot be written.
        """
        super().startService()
        database: IDatabase = self._context.get(IDatabase)
        made, any_users = database.read_now(_past)
        if made or any_users:
            self._print(self._later())
        else:
            self._begin(database)

    def _begin(self, database: IDatabase) -> None:
        passwords = {name: random_password() for name in USERS}
        # First, so that there are no users whose passwords nobody knows.
        self._write(passwords)
        edits = [UserEdit(name=name, password=password) for name, password in passwords.items()]
        self._context.get(IUserCommands).add_users_now(edits, "quickstart")
        database.write_now(lambda tx: nodevalues.put(tx, _VALUE, str(self._context.utc())))
        if not self._on_terminal():
            self._print(self._without_passwords())
        elif self._print(self._table(passwords)):
            self._file.unlink(missing_ok=True)

    def _on_terminal(self) -> bool:
        try:
            return self._out is not None and self._out.isatty()
        except ValueError:
            return False  # a daemon has closed it

    @property
    def _file(self) -> Path:
        path: Path = self._context.state / FILE
        return path

    def _write(self, passwords: Mapping[str, str]) -> None:
        try:
            write_private(self._file, ("\n".join(self._table(passwords)) + "\n").encode())
        except OSError as error:
            raise StartError(f"{self._file} cannot be written: {error.strerror}.") from error

    def _table(self, passwords: Mapping[str, str]) -> Sequence[str]:
        server = self._server()
        return [
            "Five users to register phones with:",
            "",
            f"  {'user':<6}{'password':<18}server",
            *(f"  {name:<6}{password:<18}{server}" for name, password in passwords.items()),
            "",
            *self._api(),
        ]

    def _without_passwords(self) -> Sequence[str]:
        return [
            f"Users {', '.join(USERS)} at {self._server()}; their passwords are in {self._file}",
            *self._api(),
        ]

    def _later(self) -> Sequence[str]:
        state = self._context.state
        where = f"`{typed('sipx')} --state {state} user passwd NAME` gives a user another password"
        if self._file.exists():
            where = f"the passwords of the first start are in {self._file}; {where}"
        return [f"Server for phones: {self._server()}; {where}", *self._api()]

    def _api(self) -> Sequence[str]:
        context = self._context
        lines = [f"Users, calls and health: `{typed('sipx')} --state {context.state} user list`"]
        token = context.state / "api-token"
        lines += [
            f"API: {api.url} with the bearer token in {token}" for api in context.every(IApiAddress)
        ]
        return lines

    def _server(self) -> str:
        identity = self._context.identity
        port = "" if identity.sip_port == 5060 else f":{identity.sip_port}"
        return f"{identity.domain}{port}"

    def _print(self, lines: Sequence[str]) -> bool:
        """Write lines; False when nobody reads them."""
        if self._out is None:
            return False
        try:
            self._out.write("\n".join(["", *lines, "", ""]))
            self._out.flush()
        except (OSError, ValueError):
            return False
        return True


async def _past(tx: Transaction) -> tuple[bool, bool]:
    made = await nodevalues.get(tx, _VALUE) is not None
    return made, bool(await users.count(tx))


def quickstart(context: INodeContext) -> IService:
    """Make the service."""
    return Quickstart(context)
