"""Adds, changes, removes and imports users.

Every command goes the same way: the edit is checked by itself; one transaction checks it
against everybody else's names, stores it with its audit row and counts the version up; the
snapshots are compiled and swapped in; who listens is told.
"""

from __future__ import annotations

import enum
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar

from twisted.internet.defer import Deferred
from zope.interface import implementer

from config.commands.commit import (
    Applied,
    Commits,
    Committed,
    DryRun,
    refuse,
    shielded,
    transaction,
)
from config.commands.configuration import EntityChange, Keys
from config.commands.interfaces import Imported, IUserCommands, RowError
from config.model.errors import FieldError, Invalid, NotFound
from config.model.password import random_password
from config.model.user import User, UserEdit, edited, errors
from config.storage import aliases, audit, bindings, entities, users
from config.storage.audit import Change
from config.storage.entities import Stored
from config.storage.interfaces import Transaction
from config.storage.users import StoredUser
from sipx.auth.snapshot import password_context

T = TypeVar("T")

# Fields of a user that the audit shows with their values.
_SHOWN: Final = ("first_name", "last_name", "email", "aliases", "enabled")


class Aim(enum.Enum):
    """What an edit may do."""

    ADD = enum.auto()
    UPDATE = enum.auto()
    EITHER = enum.auto()
    PUT = enum.auto()  # either, and a password that is missing is not drawn


@implementer(IUserCommands)
class UserCommands:
    """Edits of users.

    Args:
        commits: makes versions of what is edited.
        keys: seal what is secret.
    """

    def __init__(self, commits: Commits, keys: Keys) -> None:
        self._commits = commits
        self._keys = keys

    def add_user(self, edit: UserEdit, actor: str) -> Deferred[User]:
        return shielded(self._edit(edit, Aim.ADD, actor))

    def update_user(self, edit: UserEdit, actor: str) -> Deferred[User]:
        return shielded(self._edit(edit, Aim.UPDATE, actor))

    def set_password(self, name: str, password: str, actor: str) -> Deferred[None]:
        edit = UserEdit(name=name, password=password)
        return shielded(_nothing(self._edit(edit, Aim.UPDATE, actor)))

    def remove_user(self, name: str, actor: str) -> Deferred[None]:
        return shielded(
            _nothing(self._commits.commit(transaction(self._commits, [removal(name)], actor)))
        )

    def import_users(
        self, rows: Sequence[tuple[int, UserEdit]], actor: str, dry_run: bool
    ) -> Deferred[Imported]:
        return shielded(self._import(rows, actor, dry_run))

    def add_users_now(self, edits: Sequence[UserEdit], actor: str) -> None:
        for edit in edits:
            refuse(errors(edit, new=True))
        steps = [self._step(edit, Aim.ADD) for edit in edits]
        self._commits.commit_now(transaction(self._commits, steps, actor))

    async def _edit(self, edit: UserEdit, aim: Aim, actor: str) -> User:
        refuse(errors(edit, new=aim is Aim.ADD))
        committed = await self._commits.commit(
            transaction(self._commits, [self._step(edit, aim)], actor)
        )
        after = committed.applied[0].after
        assert after is not None
        return after.user

    async def _import(
        self, rows: Sequence[tuple[int, UserEdit]], actor: str, dry_run: bool
    ) -> Imported:
        async def work(tx: Transaction) -> Committed:
            await audit.lock(tx)
            applied: list[Applied] = []
            failed: list[RowError] = []
            for line, edit in rows:
                try:
                    applied.append(await self.apply(tx, edit, Aim.EITHER))
                except Invalid as invalid:
                    failed.append(RowError(line, str(invalid)))
            committed = await self._commits.audited(tx, applied, failed, actor)
            if dry_run:
                raise DryRun(committed)
            return committed

        try:
            committed = await self._commits.commit(work)
        except DryRun as dry:
            committed = dry.committed
        kinds = [(done.before is None, done.change is not None) for done in committed.applied]
        return Imported(
            created=sum(new for new, _ in kinds),
            updated=sum(changed and not new for new, changed in kinds),
            unchanged=sum(not changed for _, changed in kinds),
            generated=sum(done.generated for done in committed.applied),
            failed=tuple(committed.failed),
        )

    def _step(
        self, edit: UserEdit, aim: Aim
    ) -> Callable[[Transaction], Coroutine[Any, Any, Applied]]:
        return lambda tx: self.apply(tx, edit, aim)

    async def apply(self, tx: Transaction, edit: UserEdit, aim: Aim) -> Applied:
        """Store one edit.

        Raises:
            Invalid: before anything was stored.
            NotFound: the same.
        """
        before = await users.find(tx, edit.name)
        if aim is Aim.UPDATE and before is None:
            raise NotFound(f"user {edit.name}")
        generated = False
        if aim is Aim.EITHER:
            if before is None and edit.password is None:
                edit = replace(edit, password=random_password())
                generated = True
            refuse(errors(edit, new=before is None))
        refuse([error async for error in _collisions(tx, edit, before, aim)])
        if before is None:
            after = self._sealed(edited(User(name=edit.name), edit), edit, None)
            await users.insert(tx, after)
            return Applied(None, after, _change("add user", None, after, edit), generated)
        edit = self._without_what_is_so(edit, before)
        after = self._sealed(edited(before.user, edit), edit, before)
        if after == before:
            return Applied(before, before, None)
        await users.update(tx, before.user, after)
        return Applied(before, after, _change("update user", before, after, edit))

    def _sealed(self, user: User, edit: UserEdit, before: StoredUser | None) -> StoredUser:
        seal = self._keys.seal
        if edit.sealed is not None:
            password = edit.sealed
        elif edit.password is not None:
            password = seal(edit.password, password_context(user.name))
        else:
            assert before is not None
            password = before.sealed
        if edit.sealed_secrets is not None:
            hidden = edit.sealed_secrets
        elif edit.secrets:
            secrets = {**self._secrets(before), **edit.secrets}
            hidden = seal(json.dumps(secrets), _secrets_context(user.name))
        else:
            hidden = before.secrets if before else b""
        return StoredUser(user, password, hidden)

    def _without_what_is_so(self, edit: UserEdit, before: StoredUser) -> UserEdit:
        """Leave out secrets that are already so: sealed anew they would look different."""
        name = before.user.name
        if edit.password is not None:
            try:
                if self._keys.unseal(before.sealed, password_context(name)) == edit.password:
                    edit = replace(edit, password=None)
            except ValueError:
                pass  # it does not open any more: this edit mends that
        if edit.secrets:
            had = self._secrets(before)
            if {**had, **edit.secrets} == had:
                edit = replace(edit, secrets={})
        return edit

    def _secrets(self, stored: StoredUser | None) -> Mapping[str, str]:
        if stored is None or not stored.secrets:
            return {}
        try:
            text = self._keys.unseal(stored.secrets, _secrets_context(stored.user.name))
        except ValueError:
            return {}  # they do not open any more, for nobody: new ones take their place
        found: Mapping[str, str] = json.loads(text)
        return found


def one_of(before: Stored | None, after: Stored | None) -> Stored:
    """Give the thing as it is, or as it last was."""
    found = after or before
    assert found is not None
    return found


def entity_change(
    action: str, before: Stored | None, after: Stored | None
) -> tuple[EntityChange, Change]:
    """Describe a change of a thing, for the swap and for the audit."""
    thing = one_of(before, after).entity
    old, new = (None if one is None else entities.written(one) for one in (before, after))
    changed = sorted(
        name
        for name, value in one_of(before, after).entity.fields.items()
        if before is None or after is None or before.entity.fields.get(name) != value
    )
    detail = {"fields": changed} if before and after else {}
    return (
        EntityChange(before, after),
        Change(
            f"{action} {thing.kind}",
            thing.name,
            json.dumps(detail, ensure_ascii=False),
            thing.kind,
            old,
            new,
        ),
    )


def removal(name: str) -> Callable[[Transaction], Coroutine[Any, Any, Applied]]:
    """Give the step that removes a user with all that is the user's."""

    async def step(tx: Transaction) -> Applied:
        before = await users.find(tx, name)
        if before is None:
            raise NotFound(f"user {name}")
        await users.delete(tx, name)
        await bindings.forget_user(tx, name)
        gone = await entities.find(tx, "telephony", name)
        if gone is not None:
            await entities.delete(tx, "telephony", name)
        return Applied(
            before,
            None,
            Change("remove user", name, "{}", "user", users.written(before), None),
            entities=() if gone is None else (entity_change("remove", gone, None),),
        )

    return step


async def _collisions(
    tx: Transaction, edit: UserEdit, before: StoredUser | None, aim: Aim
) -> AsyncIterator[FieldError]:
    """Find names in an edit that are somebody else's."""
    if before is not None and aim is Aim.ADD:
        yield FieldError("name", "is already taken")
    elif before is None and (other := await aliases.owner(tx, edit.name)):
        yield FieldError("name", f"is already an alias of user {other}")
    elif before is None and (thing := await entities.owner(tx, edit.name)):
        yield FieldError("name", f"is already dialed for {thing}")
    for alias in edit.aliases or ():
        if thing := await entities.owner(tx, alias):
            yield FieldError("aliases", f"hold {alias}, which is already dialed for {thing}")
            return
        other = await aliases.owner(tx, alias)
        if other is not None and other != edit.name:
            what = "the name of a user" if other == alias else f"a name of user {other}"
            yield FieldError("aliases", f"hold {alias}, which is already {what}")
            return


def _change(action: str, before: StoredUser | None, after: StoredUser, edit: UserEdit) -> Change:
    return Change(
        action,
        after.user.name,
        _detail(before.user if before else None, edit),
        "user",
        users.written(before) if before else None,
        users.written(after),
    )


def _detail(before: User | None, edit: UserEdit) -> str:
    """Describe a change as JSON; of a secret only that it changed."""
    detail: dict[str, Any] = {}
    for name in _SHOWN:
        new = getattr(edit, name)
        old = getattr(before, name) if before else None
        if new is not None and new != old:
            detail[name] = new
    if edit.password is not None or edit.sealed is not None:
        detail["password"] = "set"
    if labels := sorted([*edit.extras, *edit.secrets]):
        detail["extras"] = labels
    return json.dumps(detail, ensure_ascii=False)


def _secrets_context(user: str) -> str:
    return f"secrets:{user}"


async def _nothing(work: Coroutine[Any, Any, Any]) -> None:
    await work
