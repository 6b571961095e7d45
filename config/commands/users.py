"""Adds, changes, removes and imports users.

Every command goes the same way: the edit is checked by itself; one transaction checks it
against everybody else's names, stores it with its audit row and counts the version up; the
snapshots are compiled and swapped in; who listens is told.
"""

from __future__ import annotations

import enum
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple, TypeVar

from twisted.internet.defer import Deferred, DeferredLock
from zope.interface import implementer

from config.commands.configuration import AccountChange, Configuration, Keys
from config.commands.interfaces import Imported, IUserCommands, RowError
from config.model.errors import FieldError, Invalid, NotFound
from config.model.password import random_password
from config.model.user import User, UserEdit, edited, errors
from config.storage import aliases, audit, bindings, users
from config.storage.audit import Change
from config.storage.interfaces import IDatabase, Transaction, Work
from config.storage.users import StoredAccount, StoredUser
from sipx.auth.snapshot import password_context

T = TypeVar("T")

# Fields of a user that the audit shows with their values.
_SHOWN: Final = ("first_name", "last_name", "email", "aliases", "enabled")


class Aim(enum.Enum):
    """What an edit may do."""

    ADD = enum.auto()
    UPDATE = enum.auto()
    EITHER = enum.auto()


class Applied(NamedTuple):
    """What an edit did inside its transaction.

    Attributes:
        before: the user as he was; None when he was not.
        after: the user as he is; None when he is no more.
        change: for the audit; None when nothing is different.
        generated: whether a random password was drawn.
    """

    before: StoredUser | None
    after: StoredUser | None
    change: Change | None
    generated: bool = False


class Committed(NamedTuple):
    """A transaction of some edits.

    Attributes:
        version: that they made; None when nothing changed.
        applied: what each did.
        failed: rows that were left out.
    """

    version: int | None
    applied: list[Applied]
    failed: list[RowError]


class _DryRun(Exception):
    """Ends a transaction that is not to be kept."""

    def __init__(self, committed: Committed) -> None:
        super().__init__()
        self.committed = committed


@implementer(IUserCommands)
class UserCommands:
    """Edits of users.

    Args:
        database: where they are stored.
        configuration: where they come in force.
        keys: seal what is secret.
        utc: the wall clock, for the audit.
    """

    def __init__(
        self,
        database: IDatabase,
        configuration: Configuration,
        keys: Keys,
        utc: Callable[[], float],
    ) -> None:
        self._database = database
        self._configuration = configuration
        self._keys = keys
        self._utc = utc
        # Versions come in force in the order in which they were stored.
        self._lock = DeferredLock()

    def add_user(self, edit: UserEdit, actor: str) -> Deferred[User]:
        return _shielded(self._edit(edit, Aim.ADD, actor))

    def update_user(self, edit: UserEdit, actor: str) -> Deferred[User]:
        return _shielded(self._edit(edit, Aim.UPDATE, actor))

    def set_password(self, name: str, password: str, actor: str) -> Deferred[None]:
        edit = UserEdit(name=name, password=password)
        return _shielded(_nothing(self._edit(edit, Aim.UPDATE, actor)))

    def remove_user(self, name: str, actor: str) -> Deferred[None]:
        return _shielded(_nothing(self._commit(self._transaction([_removal(name)], actor))))

    def import_users(
        self, rows: Sequence[tuple[int, UserEdit]], actor: str, dry_run: bool
    ) -> Deferred[Imported]:
        return _shielded(self._import(rows, actor, dry_run))

    def add_users_now(self, edits: Sequence[UserEdit], actor: str) -> None:
        for edit in edits:
            _refuse(errors(edit, new=True))
        steps = [self._step(edit, Aim.ADD) for edit in edits]
        self._swap(self._database.write_now(self._transaction(steps, actor)))

    async def _edit(self, edit: UserEdit, aim: Aim, actor: str) -> User:
        _refuse(errors(edit, new=aim is Aim.ADD))
        committed = await self._commit(self._transaction([self._step(edit, aim)], actor))
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
                    applied.append(await self._apply(tx, edit, Aim.EITHER))
                except Invalid as invalid:
                    failed.append(RowError(line, str(invalid)))
            committed = await self._audited(tx, applied, failed, actor)
            if dry_run:
                raise _DryRun(committed)
            return committed

        try:
            committed = await self._commit(work)
        except _DryRun as dry:
            committed = dry.committed
        kinds = [(done.before is None, done.change is not None) for done in committed.applied]
        return Imported(
            created=sum(new for new, _ in kinds),
            updated=sum(changed and not new for new, changed in kinds),
            unchanged=sum(not changed for _, changed in kinds),
            generated=sum(done.generated for done in committed.applied),
            failed=tuple(committed.failed),
        )

    async def _commit(self, work: Work[Committed]) -> Committed:
        await self._lock.acquire()
        try:
            committed = await self._database.write(work)
            self._swap(committed)
        finally:
            self._lock.release()
        return committed

    def _swap(self, committed: Committed) -> None:
        if committed.version is not None:
            self._configuration.swap(
                committed.version,
                [
                    AccountChange(_account(done.before), _account(done.after))
                    for done in committed.applied
                    if done.change is not None
                ],
            )

    def _transaction(
        self, steps: Sequence[Callable[[Transaction], Coroutine[Any, Any, Applied]]], actor: str
    ) -> Work[Committed]:
        """Make a transaction of which all steps or none are done."""

        async def work(tx: Transaction) -> Committed:
            await audit.lock(tx)
            applied = [await step(tx) for step in steps]
            return await self._audited(tx, applied, [], actor)

        return work

    def _step(
        self, edit: UserEdit, aim: Aim
    ) -> Callable[[Transaction], Coroutine[Any, Any, Applied]]:
        return lambda tx: self._apply(tx, edit, aim)

    async def _audited(
        self, tx: Transaction, applied: list[Applied], failed: list[RowError], actor: str
    ) -> Committed:
        changes = [done.change for done in applied if done.change is not None]
        if not changes:
            return Committed(None, applied, failed)
        version = await audit.next_version(tx)
        await audit.record(tx, version, self._utc(), actor, changes)
        return Committed(version, applied, failed)

    async def _apply(self, tx: Transaction, edit: UserEdit, aim: Aim) -> Applied:
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
            _refuse(errors(edit, new=before is None))
        _refuse([error async for error in _collisions(tx, edit, before, aim)])
        if before is None:
            after = self._sealed(edited(User(name=edit.name), edit), edit, None)
            await users.insert(tx, after)
            return Applied(
                None, after, Change("add user", edit.name, _detail(None, edit)), generated
            )
        edit = self._without_what_is_so(edit, before)
        after = self._sealed(edited(before.user, edit), edit, before)
        if after == before:
            return Applied(before, before, None)
        await users.update(tx, before.user, after)
        return Applied(before, after, Change("update user", edit.name, _detail(before.user, edit)))

    def _sealed(self, user: User, edit: UserEdit, before: StoredUser | None) -> StoredUser:
        seal = self._keys.seal
        if edit.password is not None:
            password = seal(edit.password, password_context(user.name))
        else:
            assert before is not None
            password = before.sealed
        if edit.secrets:
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


def _removal(name: str) -> Callable[[Transaction], Coroutine[Any, Any, Applied]]:
    async def step(tx: Transaction) -> Applied:
        before = await users.find(tx, name)
        if before is None:
            raise NotFound(f"user {name}")
        await users.delete(tx, name)
        await bindings.forget_user(tx, name)
        return Applied(before, None, Change("remove user", name, "{}"))

    return step


async def _collisions(
    tx: Transaction, edit: UserEdit, before: StoredUser | None, aim: Aim
) -> AsyncIterator[FieldError]:
    """Find names in an edit that are somebody else's."""
    if before is not None and aim is Aim.ADD:
        yield FieldError("name", "is already taken")
    elif before is None and (other := await aliases.owner(tx, edit.name)):
        yield FieldError("name", f"is already an alias of user {other}")
    for alias in edit.aliases or ():
        other = await aliases.owner(tx, alias)
        if other is not None and other != edit.name:
            what = "the name of a user" if other == alias else f"a name of user {other}"
            yield FieldError("aliases", f"hold {alias}, which is already {what}")
            return


def _account(stored: StoredUser | None) -> StoredAccount | None:
    if stored is None or not stored.user.enabled:
        return None
    return StoredAccount(stored.user.name, stored.sealed, stored.user.aliases)


def _detail(before: User | None, edit: UserEdit) -> str:
    """Describe a change as JSON; of a secret only that it changed."""
    detail: dict[str, Any] = {}
    for name in _SHOWN:
        new = getattr(edit, name)
        old = getattr(before, name) if before else None
        if new is not None and new != old:
            detail[name] = new
    if edit.password is not None:
        detail["password"] = "set"
    if labels := sorted([*edit.extras, *edit.secrets]):
        detail["extras"] = labels
    return json.dumps(detail, ensure_ascii=False)


def _secrets_context(user: str) -> str:
    return f"secrets:{user}"


def _refuse(found: Iterable[FieldError]) -> None:
    if wrong := list(found):
        raise Invalid(wrong)


async def _nothing(work: Coroutine[Any, Any, Any]) -> None:
    await work


def _shielded(work: Coroutine[Any, Any, T]) -> Deferred[T]:
    """Start work that goes on when nobody waits for it any more.

    Between the transaction and the swap there must be no way out.
    """
    outer: Deferred[T] = Deferred()
    Deferred.fromCoroutine(work).chainDeferred(outer)
    return outer
