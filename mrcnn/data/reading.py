"""Image files: what their headers say, and their pixels as 8-bit RGB (or grey, or RGB with alpha), turned upright.

What becomes what, whatever the file:

| stored as                  | channels=3 (RGB)                                   | channels=1 (grey), 4 (RGB and alpha)         |
| -------------------------- | -------------------------------------------------- | -------------------------------------------- |
| grey, 1 bit to 8 bits      | three equal channels, 0 to 255                     | as it is; alpha 255                          |
| RGB                        | as it is                                           | 0.299 R + 0.587 G + 0.114 B; alpha 255       |
| grey or RGB with alpha     | colours as stored, alpha dropped: not blended      | the same colours; alpha as stored            |
| palette                    | the palette's colours; transparency dropped        | likewise; alpha 0 at transparent entries     |
| CMYK, YCCK                 | (255 - C)(255 - K) / 255 and so on, no profile     | from that RGB; alpha 255                     |
| 16 bits a channel          | the high byte: value // 256                        | from that                                    |
| 32 bits, floating point    | refused: there is no range that all such files have | refused                                     |
| .npy, [H, W] or [H, W, C]  | as it is if C fits, in its own dtype               | likewise; any number of channels             |

Colour profiles are not applied, of animations the first frame is read. The EXIF tag "orientation" turns the pixels, as
browsers and today's annotation tools show them; `Dataset.mask_frame` says what masks were drawn on.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import threading
from collections.abc import Iterator
from typing import IO, NamedTuple

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

logger = logging.getLogger(__name__)

#: Pixels of the largest image that is decoded, 0.8 GB as RGB: more than any camera's photo. A file of a few kB can claim
#: thousands of times as many. `LIMIT_VARIABLE` in the environment sets another limit, in worker processes too.
MAX_PIXELS = 2**28
LIMIT_VARIABLE = "MRCNN_MAX_IMAGE_PIXELS"

_ORIENTATION = 0x0112
# Modes of Pillow that OpenCV decodes as the table above says, faster. Others go through Pillow.
_OPENCV_MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "I;16", "I;16B", "I;16L", "I;16N"})
# What headers say of the size: portable arbitrary map, portable float map, Radiance.
_CLAIMS = (
    re.compile(rb"P7\s(?=.*?\bWIDTH\s+(?P<width>\d{1,18}))(?=.*?\bHEIGHT\s+(?P<height>\d{1,18}))", re.DOTALL),
    re.compile(rb"P[Ff]\s+(?P<width>\d{1,18})\s+(?P<height>\d{1,18})"),
    re.compile(rb"#\?.*?\n\n[-+]Y (?P<height>\d{1,18}) [-+]X (?P<width>\d{1,18})", re.DOTALL),
)
_WITH_ALPHA = frozenset({"LA", "La", "PA", "RGBA", "RGBa"})
_pillow = threading.Lock()


class Header(NamedTuple):
    """What a file says about its image before a pixel is decoded.

    Attributes:
        height: rows as stored; `turned` says whether the upright image has as many columns.
        width: columns as stored.
        mode: Pillow's: "1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F" and some more.
        orientation: EXIF's, 1 to 8; 1 where there is none.
        format: "JPEG", "PNG" and so on.
    """

    height: int
    width: int
    mode: str
    orientation: int
    format: str

    @property
    def turned(self) -> bool:
        """Whether rows and columns change places in the upright image."""
        return self.orientation >= 5

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the upright image."""
        return (self.width, self.height) if self.turned else (self.height, self.width)


def header(path: str | os.PathLike) -> Header:
    """Read what a file says about its image, without decoding it.

    Args:
        path: file of a format that Pillow knows.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file holds no image, or is of a format that OpenCV alone can read.
    """
    path = os.fspath(path)
    with _naming(path), opened(path) as image:
        return header_of(image)


@contextlib.contextmanager
def opened(file: str | io.BytesIO) -> Iterator[Image.Image]:
    """Open an image whose size we check ourselves: Pillow's own limit, a global, warns before ours and can't be raised per call."""
    with _pillow:
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            image = Image.open(file)
        finally:
            Image.MAX_IMAGE_PIXELS = before
    with image:
        yield image


def header_of(image: Image.Image) -> Header:
    """As `header`, of an image that Pillow has opened."""
    # Pillow decodes a PNG to see whether EXIF follows its pixels: all of it, before we have looked at its size.
    blind = image.format == "PNG" and (image.width * image.height > pixel_limit() or not _exif_follows(image.fp))
    exif = Image.Image.getexif(image) if blind else image.getexif()
    orientation = exif.get(_ORIENTATION, 1)
    orientation = orientation if orientation in range(1, 9) else 1
    width, height = image.size
    if image.format == "TIFF" and orientation >= 5:  # Pillow has turned the size already
        height, width = width, height
    return Header(height, width, image.mode, orientation, image.format or "")


def read(path: str | os.PathLike, channels: int = 3) -> np.ndarray:
    """Read an image file, turned upright as its EXIF tag says.

    Args:
        path: file of any format that OpenCV or Pillow knows, or .npy.
        channels: 3 for RGB, 1 for grey, 4 for RGB and alpha; of .npy files any number, the file's own.

    Returns:
        [H, W, channels] uint8, by the table at the top of this module; of .npy files in the file's dtype.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file holds no image, only part of one, one without a defined 8-bit form, or more than
            `pixel_limit` pixels; or it can't give so many channels.
    """
    path = os.fspath(path)
    if not os.path.isfile(path):
        raise FileNotFoundError(f"Image file not found: {path}")
    if path.endswith(".npy"):
        return _read_array(path, channels)
    if channels not in (1, 3, 4):
        raise ValueError(
            f"{path}: image files give 1, 3 or 4 channels, not {channels}. Keep images of {channels} channels as .npy files "
            "[height, width, channels], or override load_image."
        )
    with open(path, "rb") as file:
        data = file.read()
    if not data:
        raise ValueError(f"Image file is empty: {path}")
    with _naming(path):
        try:
            with opened(io.BytesIO(data)) as image:
                rgb, alpha = _decode(data, image, path, with_alpha=channels == 4)
        except UnidentifiedImageError:  # OpenCV has formats of its own
            _check_pixels(path, *_claimed(data))
            rgb, alpha = _decode_with_opencv(data, path, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH), None
            if rgb is None:
                raise
            _check_pixels(path, *rgb.shape[:2])  # of a format that `_claimed` doesn't know
            if rgb.dtype.kind == "f":
                raise ValueError(_no_range(path, rgb.dtype)) from None
            rgb = (rgb >> 8).astype(np.uint8) if rgb.dtype == np.uint16 else rgb
    if channels == 1:
        return cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[..., None]
    if channels == 4:
        alpha = np.full(rgb.shape[:2], 255, np.uint8) if alpha is None else alpha
        return np.concatenate([rgb, alpha[..., None]], axis=-1)
    return rgb


def turn(array: np.ndarray, orientation: int) -> np.ndarray:
    """Bring pixels from the order in which a file stores them to the upright image.

    Args:
        array: [H, W, …] of any kind: an image, or masks drawn on the stored pixels.
        orientation: EXIF's, 1 to 8.

    Returns:
        [H, W, …], or [W, H, …] for 5 to 8; a view where that is possible.

    Source: EXIF 2.32, tag 0x0112: 2 mirrored, 3 turned by 180°, 4 upside down, 5 transposed, 6 to be turned clockwise,
    7 transposed the other way, 8 to be turned counterclockwise.

    >>> turn(np.array([[1, 2], [3, 4]]), 6).tolist()
    [[3, 1], [4, 2]]
    """
    if orientation >= 5:
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return array


def pixel_limit() -> int:
    """Return the pixels of the largest image that is decoded: `MAX_PIXELS`, or what the environment sets.

    Raises:
        ValueError: the environment's value is no whole number of at least 1.
    """
    text = os.environ.get(LIMIT_VARIABLE)
    if text is None:
        return MAX_PIXELS
    if not text.strip().isdecimal() or int(text) < 1:
        raise ValueError(f"{LIMIT_VARIABLE} = {text!r} in the environment: a whole number of pixels is expected, {MAX_PIXELS} say.")
    return int(text)


@contextlib.contextmanager
def _naming(path: str) -> Iterator[None]:
    """Turn whatever Pillow's plugins raise into one kind of error that names the file."""
    try:
        yield
    except (FileNotFoundError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, ValueError) and any(name in str(error) for name in (path, LIMIT_VARIABLE)):
            raise
        why = "" if isinstance(error, UnidentifiedImageError) else f" ({type(error).__name__}: {error})"  # that one names a buffer's address
        raise ValueError(f"Not an image, or a damaged one: {path}{why}") from error


def _exif_follows(file: IO[bytes]) -> bool:
    """Whether a PNG file has EXIF after its pixels, or text that may hold it; no pixel is decoded."""
    before, pixels = file.tell(), False
    try:
        file.seek(len(b"\x89PNG\r\n\x1a\n"))
        while len(head := file.read(8)) == 8:
            kind, start = head[4:], file.tell()
            if pixels and (kind == b"eXIf" or (kind in (b"tEXt", b"zTXt", b"iTXt") and file.read(8) in (b"Raw prof", b"XML:com."))):
                return True
            pixels = pixels or kind == b"IDAT"
            file.seek(start + int.from_bytes(head[:4]) + 4)  # what it holds, and its checksum
        return False
    finally:
        file.seek(before)


def _check_pixels(path: str, height: int, width: int) -> None:
    limit = pixel_limit()
    if height * width > limit:
        raise ValueError(
            f"{path} claims {height} x {width} = {height * width} pixels, more than the limit of {limit}: a decompression bomb, perhaps. If "
            f"it is not, set {LIMIT_VARIABLE}={height * width} in the environment, or reduce it."
        )


def _claimed(data: bytes) -> tuple[int, int]:
    """Return height and width that a file of a format claims which OpenCV reads and Pillow may not; (0, 0) of others."""
    if data[:4] == b"\x59\xa6\x6a\x95":  # Sun raster
        return int.from_bytes(data[8:12]), int.from_bytes(data[4:8])
    for form in _CLAIMS:
        if match := form.match(data[:4096]):
            return int(match["height"]), int(match["width"])
    return 0, 0


def _no_range(path: str, kind: object) -> str:
    bits = f"{path} has 32 bits a pixel (mode {str(kind)!r}), without a range to bring to 0…255."
    return f"{bits} Override load_image and scale it there, or keep it as .npy."


def _decode(data: bytes, image: Image.Image, path: str, *, with_alpha: bool) -> tuple[np.ndarray, np.ndarray | None]:
    """Return [H, W, 3] and, if asked for and there, alpha [H, W], both uint8 and upright."""
    found = header_of(image)
    _check_pixels(path, found.height, found.width)
    if found.mode in ("I", "F") and found.format != "PNG":  # older versions of Pillow call a PNG of 16 bits "I"
        raise ValueError(_no_range(path, found.mode))
    # A TIFF comes upright from both decoders; of other files OpenCV's versions know different tags.
    orientation = 1 if found.format == "TIFF" else found.orientation
    rgb = None
    if found.mode in _OPENCV_MODES or (found.mode == "I" and found.format == "PNG"):
        flags = cv2.IMREAD_COLOR if found.format == "TIFF" else cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
        rgb = _decode_with_opencv(data, path, flags)
    if rgb is None:
        rgb = np.asarray(image.convert("RGB"))
    alpha = None
    if with_alpha and (found.mode in _WITH_ALPHA or "transparency" in image.info):
        alpha = np.asarray(image.convert("RGBA").getchannel("A"))
    upright = [None if plane is None else np.ascontiguousarray(turn(plane, orientation)) for plane in (rgb, alpha)]
    return upright[0], upright[1]


def _decode_with_opencv(data: bytes, path: str, flags: int) -> np.ndarray | None:
    """Return [H, W, 3] RGB, or None where OpenCV can't read the file."""
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        logger.debug("OpenCV cannot read %s: %s", path, error)
        return None
    return None if image is None else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _read_array(path: str, channels: int) -> np.ndarray:
    """Read a .npy file as [H, W, channels]."""
    try:
        stored = np.load(path, mmap_mode="r", allow_pickle=False)  # the size first
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(f"Not an array, or a damaged one: {path} ({type(error).__name__}: {error})") from error
    shape = stored.shape if stored.ndim != 2 else (*stored.shape, 1)
    if len(shape) != 3 or shape[-1] != channels or stored.dtype.kind not in "uifb" or 0 in shape:
        raise ValueError(
            f"{path} holds {stored.dtype} of shape {stored.shape}; numbers [height, width, {channels}] are expected "
            f"(channels = {channels}, of the data set and IMAGE_CHANNEL_COUNT)."
        )
    _check_pixels(path, *shape[:2])
    return np.array(stored).reshape(shape)
