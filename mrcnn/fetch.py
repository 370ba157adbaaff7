"""Files from the network: resumed where they broke off, checked, and put in place only when complete."""

import hashlib
import http.client
import logging
import os
import re
import urllib.error
import urllib.request
from collections.abc import Callable

from mrcnn import files

logger = logging.getLogger(__name__)

_TIMEOUT_SECONDS = 30
_ATTEMPTS = 3
_BLOCK = 1 << 20

# (bytes so far, bytes in all or None)
Progress = Callable[[int, int | None], None]


class DownloadError(OSError):
    """A file could not be had. The message names the URL and where to put the file by hand."""


def fetch(
    url: str,
    path: str | os.PathLike[str],
    *,
    sha256: str | None = None,
    md5: str | None = None,
    expected_size: int | None = None,
    progress: Progress | None = None,
) -> None:
    """Download a file unless it is there; go on from `path`.part where an earlier attempt broke off.

    Args:
        url: http or https.
        path: where it goes; folders are made. The file appears there only when complete and checked.
        sha256, md5: hexadecimal checksums, checked where given, of a file already there too.
        expected_size: bytes, likewise.
        progress: called after each block.

    Raises:
        ValueError: the URL is not http(s).
        DownloadError: the server cannot be reached or refuses, or what came is not what was expected.
    """
    path = os.fspath(path)
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"Only http and https are downloaded, not {url}.")
    if os.path.exists(path):
        wrong = _difference(path, sha256, md5, expected_size)
        if wrong:
            raise DownloadError(
                f"{path} is there but is not the file of {url}: {wrong}. Remove it to download it again."
            )
        return
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    part = f"{path}.part"
    _download(url, part, path, progress)
    wrong = _difference(part, sha256, md5, expected_size)
    if wrong:
        os.remove(part)
        raise DownloadError(
            f"What came from {url} is not the expected file: {wrong}. It was removed; {by_hand(url, path)}"
        )
    files.put(part, path)


def _download(url: str, part: str, path: str, progress: Progress | None) -> None:
    """Fill the part file, going on after a broken connection."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            _transfer(url, part, progress)
            return
        except urllib.error.HTTPError as error:
            error.close()
            raise DownloadError(f"{url} answers {error.code} ({error.reason}): {by_hand(url, path)}") from error
        except (OSError, http.client.HTTPException) as error:
            done = os.path.getsize(part) if os.path.exists(part) else 0
            reason = getattr(error, "reason", None) or error
            # Nothing came at all: offline, or a wrong address. Trying again at once would not help.
            if done == 0 or attempt == _ATTEMPTS:
                kept = f" The {done:,} bytes in {part} are kept: the next attempt goes on from there." if done else ""
                raise DownloadError(f"Cannot download {url} ({reason}): {by_hand(url, path)}{kept}") from error
            logger.warning("%s broke off after %d bytes (%s); going on", url, done, reason)


def _transfer(url: str, part: str, progress: Progress | None) -> None:
    """Fetch what the part file lacks, in one connection."""
    done = os.path.getsize(part) if os.path.exists(part) else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={done}-"} if done else {})
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        total = re.fullmatch(r"bytes \*/(\d+)", error.headers.get("Content-Range", ""))
        if error.code == 416 and total and int(total.group(1)) == done:
            error.close()
            return
        if error.code != 416:
            raise
        error.close()
        logger.warning("%s holds more than %s offers: starting again", part, url)
        os.remove(part)
        return _transfer(url, part, progress)
    with response:
        resumed = response.status == 206
        if resumed and not response.headers.get("Content-Range", "").startswith(f"bytes {done}-"):
            raise OSError(f"the server resumed at {response.headers.get('Content-Range')!r} instead of byte {done}")
        done = done if resumed else 0
        length = response.headers.get("Content-Length")
        total_bytes = done + int(length) if length else None
        with open(part, "ab" if resumed else "wb") as file:
            while block := response.read(_BLOCK):
                file.write(block)
                done += len(block)
                if progress:
                    progress(done, total_bytes)
    if total_bytes is not None and done < total_bytes:
        raise OSError(f"the connection closed after {done:,} of {total_bytes:,} bytes")


def _difference(path: str, sha256: str | None, md5: str | None, expected_size: int | None) -> str | None:
    """Say in what a file is not the expected one; None where it is."""
    size = os.path.getsize(path)
    if expected_size is not None and size != expected_size:
        return f"it has {size:,} bytes instead of {expected_size:,}"
    for name, expected in (("sha256", sha256), ("md5", md5)):
        if expected is not None:
            found = digest(path, name)
            if found != expected.lower():
                return f"its {name} is {found} instead of {expected}"
    return None


def digest(path: str, name: str) -> str:
    """Return the checksum of a file, hexadecimal. name: of the algorithm, "sha256" say."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(name, usedforsecurity=False)).hexdigest()


def by_hand(url: str, path: str) -> str:
    """Say how a file can be had where there is no network."""
    return f"download {url} with another machine or program and save it as {os.path.abspath(path)}."


def log_progress() -> Progress:
    """Return a `Progress` that logs each tenth of a download."""
    reported = -1

    def log(done: int, total: int | None) -> None:
        nonlocal reported
        tenth = 10 * done // total if total else done // (32 << 20)
        if tenth > reported:
            reported = tenth
            share = f"{100 * done // total} %" if total else ""
            logger.info("%s %.0f MB", share, done / 1e6)

    return log
