"""Gives the node its configuration, and the commands that change it."""

from __future__ import annotations

import sys

from twisted.application.service import IService, Service

from config.commands.commit import Commits
from config.commands.configuration import Configuration
from config.commands.interfaces import IPlanCommands, IUserCommands
from config.commands.plan import PlanCommands
from config.commands.users import UserCommands
from config.storage import users
from config.storage.interfaces import IDatabase
from sipx.interfaces import IConfiguration, INodeContext
from sipx.node.programs import typed


class ConfigurationService(Service):
    """Says what to do next when a node starts empty."""

    name = "configuration"

    def __init__(self, hint: str) -> None:
        self._hint = hint

    def startService(self) -> None:
        super().startService()
        # Not through the log, which would put a date before it.
        if self._hint and sys.__stdout__ is not None:
            sys.__stdout__.write(self._hint)
            sys.__stdout__.flush()


def configuration(context: INodeContext) -> IService:
    """Compile what is stored, and provide it."""
    database = context.get(IDatabase)
    current = Configuration(context.keys, context.identity.realm)
    current.load(database)
    context.provide(IConfiguration, current)
    commits = Commits(database, current, context.utc)
    users_ = UserCommands(commits, context.keys)
    context.provide(IUserCommands, users_)
    context.provide(IPlanCommands, PlanCommands(database, commits, users_, context.keys))
    context.health.gauge("users", lambda: len(current.accounts.accounts))
    if current.broken:
        context.health.set(
            "configuration",
            False,
            f"{current.broken} users have a password that does not open with this cluster.key:"
            f" give them new ones with `{typed('sipx')} --state {context.state} user passwd NAME`",
        )
    else:

        def tell() -> None:
            context.health.set("configuration", True, f"version {current.version}")

        tell()
        current.changed(tell)
    hint = ""
    if not context.options.get("quickstart") and not database.read_now(users.count):
        hint = (
            "sipx: this node has no users yet. Add one with"
            f" `{typed('sipx')} --state {context.state} user add 200`,\n"
            "sipx: or stop it and start with --quickstart to get five users with passwords.\n"
        )
    return ConfigurationService(hint)
