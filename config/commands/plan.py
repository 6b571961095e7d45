"""Edits of everything that is configured: any number of them in one version, all or none.

What each edit says is checked by itself first.  Then, in the transaction: what goes or changes
gives its names free, what comes must find its names free, and at the end whatever anything
refers to must exist.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from twisted.internet.defer import Deferred
from zope.interface import implementer

from config.commands import places
from config.commands.commit import Applied, Commits, Committed, DryRun, refuse, shielded
from config.commands.configuration import Keys
from config.commands.history import at_version
from config.commands.interfaces import Edited, IPlanCommands, Outdated
from config.commands.users import Aim, UserCommands, entity_change, removal
from config.model.edits import Do, Edit
from config.model.entities import KINDS, ONLY, Entity, entity, short
from config.model.errors import FieldError, Invalid, NotFound
from config.model.user import UserEdit, errors
from config.model.useredits import edit_of
from config.storage import aliases, audit, bindings, entities, users
from config.storage.audit import Change
from config.storage.entities import Stored
from config.storage.interfaces import IDatabase, Transaction
from sipx.auth.snapshot import password_context

REFERRERS_SHOWN: Final = 5


class _Problems:
    """Gathers errors; of several edits each error says whose it is."""

    def __init__(self, many: bool) -> None:
        self._many = many
        self.found: list[FieldError] = []

    def add(self, edit: Edit, wrong: Sequence[FieldError]) -> None:
        """Add the errors of an edit."""
        for error in wrong:
            if self._many:
                plural = "users" if edit.kind == "user" else KINDS[edit.kind].plural
                field = f"{plural}/{edit.name}/{error.field}".rstrip("/")
                self.found.append(FieldError(field, error.message))
            else:
                self.found.append(error)


@implementer(IPlanCommands)
class PlanCommands:
    """Edits of users and of everything else.

    Args:
        database: where they are stored.
        commits: makes versions of what is edited.
        users_: edits users.
        keys: open what a file has sealed.
    """

    def __init__(
        self, database: IDatabase, commits: Commits, users_: UserCommands, keys: Keys
    ) -> None:
        self._database = database
        self._commits = commits
        self._users = users_
        self._keys = keys

    def edit(
        self,
        edits: Sequence[Edit],
        actor: str,
        version: int | None = None,
        dry_run: bool = False,
    ) -> Deferred[Edited]:
        return shielded(self._edit(edits, actor, version, dry_run))

    def rollback(self, version: int, actor: str) -> Deferred[Edited]:
        return shielded(self._rollback(version, actor))

    async def _edit(
        self, edits: Sequence[Edit], actor: str, version: int | None, dry_run: bool
    ) -> Edited:
        async def work(tx: Transaction) -> Committed:
            await audit.lock(tx)
            if version is not None and (current := await audit.version(tx)) != version:
                raise Outdated(version, current)
            applied = await self._apply(tx, edits)
            committed = await self._commits.audited(tx, applied, [], actor)
            if dry_run:
                raise DryRun(committed)
            return committed

        try:
            committed = await self._commits.commit(work)
        except DryRun as dry:
            committed = dry.committed
        return _edited(committed)

    async def _apply(self, tx: Transaction, edits: Sequence[Edit]) -> list[Applied]:
        problems = _Problems(len(edits) > 1)
        seen: set[tuple[str, str]] = set()
        things: list[tuple[Edit, Stored | None, Entity | None]] = []
        for edit in edits:
            if (edit.kind, edit.name) in seen:
                problems.add(edit, [FieldError("", "is edited twice")])
            seen.add((edit.kind, edit.name))
            try:
                # No database takes half a letter, and nothing was ever called so.
                edit.name.encode()
            except UnicodeEncodeError:
                problems.add(edit, [FieldError("name", "holds a character that is none")])
                continue
            if edit.kind != "user":
                before = await entities.find(tx, edit.kind, edit.name)
                after, wrong = _wanted(edit, before)
                problems.add(edit, wrong)
                things.append((edit, before, after))
        refuse(problems.found)
        for edit, before, after in things:
            if before is not None and before.entity != after:
                await entities.delete(tx, edit.kind, edit.name)
        applied = await self._apply_users(tx, edits, problems)
        changed = []
        for edit, before, after in things:
            if after is None:
                if before is not None:
                    changed.append(entity_change("remove", before, None))
                continue
            if wrong := await _taken(tx, after):
                problems.add(edit, wrong)
                continue
            changed += await _put(tx, edit, before, after)
        for edit, _, after in things:
            problems.add(edit, await _dangling(tx, edit, after))
        for edit in edits:
            if edit.kind == "user" and edit.do is Do.REMOVE:
                problems.add(edit, await _referred(tx, edit))
        refuse(problems.found)
        return [*applied, Applied(None, None, None, entities=tuple(changed))]

    async def _apply_users(
        self, tx: Transaction, edits: Sequence[Edit], problems: _Problems
    ) -> list[Applied]:
        applied = []
        # Who goes gives names free for who comes.
        for edit in sorted(edits, key=lambda edit: edit.do is not Do.REMOVE):
            if edit.kind != "user":
                continue
            try:
                if edit.do is Do.REMOVE:
                    applied.append(await removal(edit.name)(tx))
                else:
                    applied.append(await self._apply_user(tx, edit))
            except Invalid as invalid:
                problems.add(edit, invalid.errors)
        return applied

    async def _apply_user(self, tx: Transaction, edit: Edit) -> Applied:
        aim = {Do.ADD: Aim.ADD, Do.CHANGE: Aim.UPDATE, Do.PUT: Aim.PUT}[edit.do]
        wanted = edit_of(edit.name, edit.fields, whole=edit.do is not Do.CHANGE)
        new = await users.find(tx, edit.name) is None
        refuse([*errors(wanted, new=new), *self._unopened(wanted)])
        return await self._users.apply(tx, wanted, aim)

    def _unopened(self, edit: UserEdit) -> list[FieldError]:
        """Find what this cluster's key does not open."""
        wrong = []
        sealed = (
            ("password", edit.sealed, password_context(edit.name)),
            ("secrets", edit.sealed_secrets, f"secrets:{edit.name}"),
        )
        for field, octets, context in sealed:
            if octets is None:
                continue
            try:
                self._keys.unseal(octets, context)
            except ValueError:
                wrong.append(
                    FieldError(
                        field,
                        "does not open with this node's cluster.key, or is another user's: write"
                        " a new password in its place, without `sealed:`",
                    )
                )
        return wrong

    async def _rollback(self, version: int, actor: str) -> Edited:
        async def work(tx: Transaction) -> Committed:
            await audit.lock(tx)
            current = await audit.version(tx)
            oldest = await audit.oldest(tx)
            if not oldest <= version <= current:
                raise NotFound(f"version {version}; there are {oldest} to {current}")
            wanted = await at_version(tx, version)
            applied = await _restore(tx, wanted, version)
            return await self._commits.audited(tx, applied, [], actor)

        return _edited(await self._commits.commit(work))


def _edited(committed: Committed) -> Edited:
    changes: list[Change] = []
    for done in committed.applied:
        changes += [] if done.change is None else [done.change]
        changes += [change for _, change in done.entities]
    return Edited(committed.version, tuple(changes))


def _wanted(edit: Edit, before: Stored | None) -> tuple[Entity | None, list[FieldError]]:
    """Give the thing as an edit wants it; None when it is to go."""
    kind = KINDS[edit.kind]
    if kind.single and edit.name != ONLY:
        raise NotFound(f"{kind.name} {edit.name}; there is just one, {ONLY}")
    always = kind.single or kind.owner
    if before is None and not always and edit.do in (Do.CHANGE, Do.REMOVE):
        raise NotFound(f"{kind.name} {edit.name}")
    if before is not None and not always and edit.do is Do.ADD:
        return None, [FieldError("name", "is already taken")]
    if edit.do is Do.REMOVE:
        return None, []
    given: Mapping[str, Any] = edit.fields
    if edit.do is Do.CHANGE and before is not None:
        had = dict(before.entity.fields)
        if given.get("kind", had.get("kind")) != had.get("kind"):
            return None, [FieldError("kind", "stays what it is: add another rule in its place")]
        given = {**had, **given}
    found, wrong = entity(kind, edit.name, given)
    if not kind.ordered and edit.position is not None:
        wrong.append(FieldError("position", "has no meaning here: their order does not count"))
    if found is not None and always and not short(kind, found.fields):
        return None, wrong  # as by default: nothing to store
    return found, wrong


async def _taken(tx: Transaction, thing: Entity) -> list[FieldError]:
    """Find names of a thing that are somebody else's."""
    wrong = []
    for field, dialed in KINDS[thing.kind].dialed(thing):
        owner = await entities.owner(tx, dialed)
        user = await aliases.owner(tx, dialed)
        if owner is not None and (owner.kind, owner.name) != (thing.kind, thing.name):
            wrong.append(FieldError(field, f"{dialed} is already dialed for {owner}"))
        elif user is not None:
            wrong.append(FieldError(field, f"{dialed} is already dialed for user {user}"))
    return wrong


async def _put(tx: Transaction, edit: Edit, before: Stored | None, after: Entity) -> list[Any]:
    kind = KINDS[edit.kind]
    number = before.id if before else 0
    if kind.numbered and not number:
        number = await entities.next_id(tx)
    place = before.place if before else 0.0
    moved: list[tuple[Stored, Stored]] = []
    if kind.ordered and (before is None or edit.position is not None):
        place, moved = await places.place(tx, edit.kind, edit.name, edit.position)
    stored = Stored(after, number, place)
    changes = [entity_change("move", *one) for one in moved]
    if stored != before:
        await entities.put(tx, stored)
        action = "add" if before is None else "update"
        if before is not None and before.entity == after:
            action = "move"
        changes.append(entity_change(action, before, stored))
    return changes


async def _dangling(tx: Transaction, edit: Edit, after: Entity | None) -> list[FieldError]:
    """Find what a thing refers to and is not there, or what refers to one that goes."""
    if after is None:
        return await _referred(tx, edit)
    wrong = []
    for field, kind, name in KINDS[after.kind].links(after):
        if not await entities.exists(tx, kind, name):
            if field == "name":
                raise NotFound(f"{kind} {name}")
            wrong.append(FieldError(field, f"names the {kind} {name}, which does not exist"))
    return wrong


async def _referred(tx: Transaction, edit: Edit) -> list[FieldError]:
    found = await entities.referrers(tx, edit.kind, edit.name, REFERRERS_SHOWN + 1)
    if not found:
        return []
    named = ", ".join(f"{owner} ({field})" for owner, field in found[:REFERRERS_SHOWN])
    more = " and others" if len(found) > REFERRERS_SHOWN else ""
    return [FieldError("", f"{edit.kind} {edit.name} is still named by {named}{more}".strip())]


async def _restore(
    tx: Transaction, wanted: Mapping[tuple[str, str], str | None], version: int
) -> list[Applied]:
    """Make users and things what they were; all that differs is in ``wanted``."""
    action = f"roll back to {version}:"
    people = []
    things = []
    for (kind, name), text in wanted.items():
        if kind == "user":
            had = await users.find(tx, name)
            will = None if text is None else users.read(name, text)
            if had != will:
                people.append((name, had, will))
        else:
            before = await entities.find(tx, kind, name)
            after = None if text is None else entities.read(kind, name, text)
            if before != after:
                things.append((before, after))
                await entities.delete(tx, kind, name)
    # All names of those concerned are free before any of them takes one.
    for name, had, _ in people:
        if had is not None:
            await aliases.replace(tx, name, had.user.aliases, ())
    for name, _, will in people:
        if will is None:
            await users.delete(tx, name)
            await bindings.forget_user(tx, name)
    applied = []
    for name, had, will in people:
        if will is not None and had is None:
            await users.insert(tx, will)
        elif will is not None and had is not None:
            await users.update(tx, replace(had.user, aliases=()), will)
        old, new = (None if one is None else users.written(one) for one in (had, will))
        applied.append(Applied(had, will, Change(f"{action} user", name, "{}", "user", old, new)))
    for _, after in things:
        if after is not None:
            await entities.put(tx, after)
    changed = tuple(entity_change(action, before, after) for before, after in things)
    return [*applied, Applied(None, None, None, entities=changed)]
