"""One process at a time trains in a run's folder: two that go on with one run would delete and set aside each other's checkpoints.

The system's own lock on a file (flock), which ends with its process however that ends: what a killed one left is no hindrance. What the file
says, process, host and since when, is for people. On Windows, and in folders whose file system knows no such locks, nothing is locked.
"""

from __future__ import annotations

import contextlib
import datetime
import logging
import os
import socket
from collections.abc import Iterator

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

logger = logging.getLogger(__name__)

FILE = "training.lock"


class RunInUseError(OSError):
    """Another process trains in the folder."""


@contextlib.contextmanager
def held(folder: str) -> Iterator[None]:
    """Hold the lock of a run's folder, which is made, while the block runs.

    Raises:
        RunInUseError: another process holds it, or another training of this one. The message names it.
    """
    descriptor = _taken(folder) if fcntl else None
    try:
        yield
    finally:
        if descriptor is not None:
            with contextlib.suppress(OSError):
                os.remove(os.path.join(folder, FILE))  # before the lock goes: afterwards it might be the next one's
            os.close(descriptor)


def _taken(folder: str) -> int | None:
    """Lock the file and say in it by whom; returns its descriptor, None where there are no locks."""
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, FILE)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is(descriptor, path):
                break
            os.close(descriptor)  # its holder has just removed it
        except BlockingIOError:
            holder = os.read(descriptor, 200).decode(errors="replace").strip() or "one that has just begun"
            os.close(descriptor)
            raise RunInUseError(
                f"{folder} is in use: another training writes there ({holder}). Wait until it is done, or stop it: two at once would replace each "
                "other's checkpoints. For a run of its own from these weights, load a copy of the checkpoint under another name."
            ) from None
        except OSError as error:
            os.close(descriptor)
            logger.warning("%s can't be locked (%s): see to it that no second process trains there.", folder, error)
            return None
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}, since {datetime.datetime.now():%Y-%m-%d %H:%M}\n".encode())
    return descriptor


def _is(descriptor: int, path: str) -> bool:
    """Whether an open file is still the one of that path."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False
