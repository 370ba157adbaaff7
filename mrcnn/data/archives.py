"""ZIP archives of data sets, unpacked so that nothing lands outside the folder and a broken attempt goes on."""

from __future__ import annotations

import logging
import os
import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable

from mrcnn import files

logger = logging.getLogger(__name__)

# Left free on the disk beside what is unpacked.
_SPARE_BYTES = 100 << 20

_REFUSED = "nothing is unpacked. Fetch the archive from its source."

# (bytes unpacked so far, bytes in all)
Progress = Callable[[int, int], None]


def extract(path: str | os.PathLike[str], folder: str | os.PathLike[str], *, progress: Progress | None = None) -> list[str]:
    """Unpack an archive.

    All entries are checked before the first byte is written. A file appears under its name only when complete, so an attempt that broke off goes on
    where it was: a file of the right size that is there is kept.

    Args:
        path: the archive.
        folder: made if absent.
        progress: called after each file.

    Returns:
        Paths of the files, in the order of the archive.

    Raises:
        FileNotFoundError: there is no such archive.
        ValueError: it is no ZIP archive or is damaged, or an entry would land outside the folder, is a link, or stands there twice.
        OSError: the disk has not the room.
    """
    path, folder = os.fspath(path), os.path.abspath(os.fspath(folder))
    try:
        with zipfile.ZipFile(path) as archive:
            wanted = _checked(archive, path, folder)
            missing = {target: entry for target, entry in wanted.items() if not _is_there(target, entry)}
            _require_room(folder, sum(entry.file_size for entry in missing.values()), path)
            total = sum(entry.file_size for entry in wanted.values())
            done = total - sum(entry.file_size for entry in missing.values())
            if len(missing) < len(wanted) and missing:
                logger.info("%s: %d of %d files are there already", path, len(wanted) - len(missing), len(wanted))
            for target, entry in missing.items():
                with archive.open(entry) as source:
                    files.replace(target, lambda file, source=source: shutil.copyfileobj(source, file, 1 << 20), sync=False)
                done += entry.file_size
                if progress:
                    progress(done, total)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:  # damaged, an unknown method, a password
        raise ValueError(f"{path} can't be unpacked ({error}): remove it and fetch it again.") from error
    return list(wanted)


def _checked(archive: zipfile.ZipFile, path: str, folder: str) -> dict[str, zipfile.ZipInfo]:
    """Return {path on this disk: entry} of the archive's files.

    Raises:
        ValueError: an entry is not what a data set's archive holds.
    """
    found: dict[str, zipfile.ZipInfo] = {}
    for entry in archive.infolist():
        name = entry.filename.replace("\\", "/")
        parts = name.split("/")
        mode = entry.external_attr >> 16
        if name.startswith("/") or ".." in parts or ":" in parts[0] or "\0" in name:
            raise ValueError(f"{path} holds {entry.filename!r}, which would land outside of {folder}: {_REFUSED}")
        if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise ValueError(f"{path} holds {entry.filename!r}, which is a link or a device: {_REFUSED}")
        if entry.is_dir():
            continue
        target = os.path.join(folder, *(part for part in parts if part not in ("", ".")))
        if target in found:
            raise ValueError(f"{path} holds {entry.filename!r} twice: {_REFUSED}")
        if os.path.realpath(target) != os.path.join(os.path.realpath(folder), os.path.relpath(target, folder)):
            raise ValueError(f"{target} leads through a link in {folder}: nothing is unpacked through it. Remove the link, or choose another folder.")
        found[target] = entry
    return found


def _is_there(target: str, entry: zipfile.ZipInfo) -> bool:
    return os.path.isfile(target) and os.path.getsize(target) == entry.file_size


def _require_room(folder: str, needed: int, path: str) -> None:
    place = folder
    while not os.path.isdir(place):
        place = os.path.dirname(place)
    free = shutil.disk_usage(place).free
    if needed and needed + _SPARE_BYTES > free:
        raise OSError(
            f"{path} unpacks to {needed / 1e9:.1f} GB more, but the disk of {folder} has {free / 1e9:.1f} GB free: make room, or choose another one."
        )
