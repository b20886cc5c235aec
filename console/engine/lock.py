"""One engine per event: the lock, and what is said when there is another one."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


class EngineError(Exception):
    """The engine cannot start; says why and what to do."""


class RunsAlreadyError(EngineError):
    """An engine of this event runs already."""


@contextlib.contextmanager
def only_engine_of(directory: Path) -> Iterator[None]:
    """Hold the lock that makes one engine per event; the kernel lets it go when we die, however we die."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        handle = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise EngineError(f"cannot write the event's directory {directory}: {error.strerror}") from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pid = os.pread(handle, 20, 0).decode("ascii", "replace").strip() or "?"
            raise RunsAlreadyError(
                f"an engine of this event already runs (pid {pid}); `racedeck` attaches to it"
            ) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)
