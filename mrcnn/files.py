"""Files written whole or not at all."""

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO


def write(path: str, content: str | bytes) -> None:
    """Write a file under a temporary name, sync it, and rename it: whoever reads `path` sees the old file or the new one.

    Args:
        path: Its folder is made.
        content: Text is written as UTF-8; half a surrogate pair, as odd file names have, as \\udc80 is in JSON.

    Raises:
        OSError: it can't be written; the old file stays, the temporary one does not.
    """
    data = content.encode(errors="backslashreplace") if isinstance(content, str) else content
    replace(path, lambda file: file.write(data))


def replace(path: str, write_to: Callable[[BinaryIO], Any], *, sync: bool = True) -> None:
    """As `write`, for content that a function writes to the open file."""
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with replacing(path, sync=sync) as temporary, open(temporary, "wb") as file:
        write_to(file)


@contextlib.contextmanager
def replacing(path: str, *, sync: bool = True) -> Iterator[str]:
    """Yield a temporary path in the same folder; what the block has written there is synced, and then takes the place of `path`.

    The name begins with a dot and ends in .partial, so that no glob for a run's files meets it. The rename outlasts a power cut, where the system
    lets folders be opened.

    Args:
        path: The file to write or replace.
        sync: Whether to wait until the content is safe on the disk. False for thousands of files that can be had again.

    Raises:
        OSError: it can't be synced or renamed. As after any error in the block, the old file stays, and the temporary one does not.
    """
    folder, name = os.path.split(os.path.abspath(path))
    temporary = os.path.join(folder, f".{name}.{os.getpid()}.partial")
    try:
        yield temporary
        put(temporary, path, sync=sync)
    except BaseException:
        with contextlib.suppress(OSError):
            os.remove(temporary)
        raise


def put(temporary: str, path: str, *, sync: bool = True) -> None:
    """Give a complete file its name, in the place of what has it: sync, rename, and make the rename last where folders can be opened.

    Raises:
        OSError: it can't be synced or renamed; both files stay.
    """
    if sync:
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
    os.replace(temporary, path)
    if not sync:
        return
    folder = os.path.dirname(os.path.abspath(path))
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def set_aside(path: str) -> str:
    """Rename a file that can't be used to `path`.broken, or .broken2 and so on. Returns the new path.

    Raises:
        OSError: it can't be renamed.
    """
    number, new = 1, f"{path}.broken"
    while os.path.exists(new):
        number += 1
        new = f"{path}.broken{number}"
    os.rename(path, new)
    return new
