"""What an image file is, whatever its name says: format, size, orientation, kind of pixels, bits."""

from __future__ import annotations

import contextlib
import hashlib
import os
import warnings
from collections.abc import Iterator
from typing import NamedTuple

from PIL import Image

from mrcnn.data import reading

BITS_PER_SAMPLE = 258  # TIFF tag

#: The formats that a suffix promises, by Pillow's names.
FORMATS = {
    ".jpg": ("JPEG", "MPO"), ".jpeg": ("JPEG", "MPO"), ".jpe": ("JPEG",), ".png": ("PNG",), ".bmp": ("BMP", "DIB"), ".gif": ("GIF",),
    ".tif": ("TIFF",), ".tiff": ("TIFF",), ".webp": ("WEBP",), ".jp2": ("JPEG2000",), ".ppm": ("PPM",), ".pgm": ("PPM",), ".pbm": ("PPM",),
}  # fmt: skip
_CHUNK = 1 << 20


class PhotoFile(NamedTuple):
    """An image file.

    Attributes:
        digest: BLAKE2b of its bytes.
        format: as Pillow names it, "JPEG" say; "" where Pillow doesn't know it.
        size: (height, width) as stored, before any turning; (0, 0) likewise.
        orientation: EXIF's, 1 upright … 8.
        kind: "colour", "grey", "palette", "CMYK" or "other".
        alpha: it has transparency.
        bits: of a channel.
        frames: pictures in the file.
        mislabelled: its suffix promises another format.
    """

    digest: str
    format: str = ""
    size: tuple[int, int] = (0, 0)
    orientation: int = 1
    kind: str = "other"
    alpha: bool = False
    bits: int = 8
    frames: int = 1
    mislabelled: bool = False

    @property
    def sideways(self) -> bool:
        """Whether height and width change places when the photo is turned upright."""
        return self.orientation in (5, 6, 7, 8)


def inspect(path: str | os.PathLike) -> PhotoFile:
    """Look at a file without decoding its pixels.

    Raises:
        OSError: it can't be opened.
    """
    path, found = os.fspath(path), hashlib.blake2b(digest_size=16)
    with open(path, "rb") as file:
        head = file.read(_CHUNK)
        found.update(head)
        while chunk := file.read(_CHUNK):
            found.update(chunk)
    digest = found.hexdigest()
    try:
        with _quiet(), reading.opened(path) as image:
            stored = reading.header_of(image)
            kinds = {"RGB": "colour", "RGBA": "colour", "L": "grey", "LA": "grey", "1": "grey", "P": "palette", "PA": "palette", "CMYK": "CMYK"}
            kind = "grey" if image.mode in ("I", "F") or image.mode.startswith("I;16") else kinds.get(image.mode, "other")
            return PhotoFile(
                digest, stored.format, (stored.height, stored.width), stored.orientation, kind,
                image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info, _bits(image, head), getattr(image, "n_frames", 1),
                _mislabelled(path, image.format),
            )  # fmt: skip
    except Exception:  # Pillow's plugins raise whatever they like
        return PhotoFile(digest)  # load_image says what is wrong with it


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hide warnings of odd metadata and large pictures: it is load_image's result that is judged."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _mislabelled(path: str, format: str | None) -> bool:
    expected = FORMATS.get(os.path.splitext(path)[1].lower())
    return expected is not None and bool(format) and format not in expected


def _bits(image: Image.Image, head: bytes) -> int:
    """Return the bits of a channel as stored; Pillow brings 16-bit RGB to 8 and hides it."""
    if image.format == "PNG":
        return head[24]  # of the header chunk, which comes first
    if image.format == "TIFF":
        bits = image.tag_v2.get(BITS_PER_SAMPLE, 8)
        return int(bits[0] if isinstance(bits, tuple) else bits)
    return 16 if image.mode.startswith("I") else 8
