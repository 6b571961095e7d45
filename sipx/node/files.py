"""The state folder and the small secret files in it: private, whole or absent."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from sipx.node.errors import StartError

# What tells a state folder from another: the first files that a node makes in it.
_MARKS = frozenset({"lock", "node.json"})
_IGNORED = frozenset({"lost+found"})


def prepare_state(path: Path) -> None:
    """Make the state folder, or see that it is one and private (mode 0700).

    Raises:
        StartError: it cannot be made or used, or holds other things.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        names = set(os.listdir(path)) - _IGNORED
        if names and not names & _MARKS:
            raise StartError(
                f"The folder {path} holds other things: give --state an empty folder or one"
                " that a node made."
            )
        if path.stat().st_mode & 0o077:
            path.chmod(0o700)
        if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
            raise PermissionError(None, "Permission denied")
    except OSError as error:
        raise StartError(f"The state folder {path} cannot be used: {error.strerror}.") from error


def lock_state(path: Path) -> int:
    """Take the state folder for this process.

    Returns:
        A file descriptor; the folder is free again when it is closed.

    Raises:
        StartError: another node has it.
    """
    file = path / "lock"
    try:
        taken = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StartError(f"{file} cannot be opened: {error.strerror}.") from error
    try:
        fcntl.flock(taken, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(taken)
        raise StartError(
            f"Another node runs on the state folder {path}: stop it, or give --state another one."
        ) from error
    return taken


def keep(path: Path, make: Callable[[], bytes]) -> bytes:
    """Read a file; make it first when it is absent.

    Raises:
        StartError: it cannot be read or made.
    """
    try:
        try:
            return path.read_bytes()
        except FileNotFoundError:
            data = make()
            write_private(path, data)
            return data
    except OSError as error:
        raise StartError(f"{path} cannot be used: {error.strerror}.") from error


def write_private(path: Path, data: bytes) -> None:
    """Write a file of mode 0600 that is there whole, and on the disk, or not at all.

    Raises:
        OSError: what was there before is still there.
    """
    fresh = path.with_name(path.name + ".new")
    with suppress(FileNotFoundError):
        fresh.unlink()
    number = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(number, "wb") as file:
        os.fchmod(number, 0o600)
        file.write(data)
        file.flush()
        os.fsync(number)
    os.replace(fresh, path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
