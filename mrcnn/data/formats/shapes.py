"""What a reader keeps of a mask: an outline, a run-length text or the name of a file; and how that becomes pixels.

A mask is decoded when somebody asks for it, never kept. Polygons of every format are rasterised by pycocotools: COCO's
own pixels, so that a polygon has the same area in training as in COCO's evaluation and after a conversion to COCO json.
(OpenCV's fillPoly also paints the outline itself, which makes an object about a pixel larger all round.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from mrcnn.ops import rle


class Polygons(NamedTuple):
    """An object outlined by one or more polygons, which are united.

    Attributes:
        parts: per polygon [P, (x, y)] float64, pixels; the upper left corner of the image is (0, 0), the centre of its
            first pixel (0.5, 0.5). At least three points each.
    """

    parts: tuple[np.ndarray, ...]


class CocoRuns(NamedTuple):
    """A mask as COCO run lengths: encoded is {"size": [H, W], "counts": bytes}, see `rle.checked_coco`."""

    encoded: dict[str, Any]


class PixelRuns(NamedTuple):
    """A mask as Kaggle's text "start length start length …"; first_pixel is 1 or 0."""

    text: str
    first_pixel: int


class MaskFile(NamedTuple):
    """A mask as an image file of its own: what is not zero is mask."""

    path: str


class IndexFile(NamedTuple):
    """A mask as the pixels of one value in an image file that holds all instances."""

    path: str
    value: int


Shape = Polygons | CocoRuns | PixelRuns | MaskFile | IndexFile


def decode(shape: Shape, height: int, width: int) -> np.ndarray:
    """Make pixels of a shape.

    Args:
        shape: of one instance.
        height: of the image, as width.
        width: what lies outside is cut off.

    Returns:
        [H, W] bool, perhaps without any pixel set.

    Raises:
        ValueError: a text is broken or leaves the image, or a file holds no mask of this size.
        FileNotFoundError: a mask's file has gone.

    >>> square = Polygons((np.array([[1.0, 0], [3, 0], [3, 2], [1, 2]]),))
    >>> decode(square, 2, 4).astype(int).tolist()
    [[0, 1, 1, 0], [0, 1, 1, 0]]
    """
    plane = np.zeros((height, width), bool)
    paint(shape, plane, {})
    return plane


def paint(shape: Shape, plane: np.ndarray, files: dict[str, np.ndarray]) -> bool:
    """Make pixels of a shape in a plane that is there.

    Args:
        shape: of one instance.
        plane: [H, W] bool, set to True where the mask is.
        files: index images read so far, for the instances of one photo to share.

    Returns:
        Whether the mask has any pixel.

    Raises:
        ValueError, FileNotFoundError: as `decode`.
    """
    height, width = plane.shape
    if not isinstance(shape, MaskFile | IndexFile):
        return rle.paint_coco(encode(shape, height, width, files), plane)
    if isinstance(shape, MaskFile):
        mask = _fitting(_plane(read_mask(shape.path)), shape.path, height, width)
    else:
        if shape.path not in files:
            files[shape.path] = _fitting(read_index(shape.path), shape.path, height, width)
        mask = files[shape.path] == shape.value
    plane |= mask
    return bool(mask.any())


def encode(shape: Shape, height: int, width: int, files: dict[str, np.ndarray] | None = None) -> dict[str, Any]:
    """Write a shape as COCO run lengths; an outline or run-length text never becomes a plane.

    Args:
        shape, height, width: as `decode`.
        files: as `paint`.

    Returns:
        {"size": [H, W], "counts": bytes}.

    Raises:
        ValueError, FileNotFoundError: as `decode`.

    >>> encode(PixelRuns("2 2", 1), 2, 2)
    {'size': [2, 2], 'counts': b'121'}
    """
    match shape:
        case Polygons(parts):
            return _rasterised(parts, height, width)
        case CocoRuns(encoded):
            size = [int(side) for side in encoded["size"]]
            if size != [height, width]:
                raise ValueError(f"A mask of height {size[0]} and width {size[1]} does not fit an image of {height} and {width}.")
            return encoded
        case PixelRuns(text, first_pixel):
            return rle.to_coco(text, (height, width), first_pixel=first_pixel)
        case _:
            plane = np.zeros((height, width), bool)
            paint(shape, plane, {} if files is None else files)
            return rle.encode_coco(plane)


def clip(polygon: np.ndarray, height: int, width: int) -> np.ndarray:
    """Cut a polygon at the edges of the image.

    Args:
        polygon: [P, (x, y)].
        height: of the image.
        width: of the image.

    Returns:
        [Q, (x, y)]; no point at all where the polygon lies outside. A polygon that leaves the image more than once
        stays one polygon, whose parts are joined along the edge.

    Source: Sutherland and Hodgman, "Reentrant polygon clipping", CACM 17(1), 1974.

    >>> clip(np.array([[-2.0, 0], [2, 0], [2, 2], [-2, 2]]), 4, 4).tolist()
    [[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]]
    """
    for axis, limit, sign in ((0, 0.0, 1), (0, float(width), -1), (1, 0.0, 1), (1, float(height), -1)):
        if not len(polygon):
            break
        depth = sign * (polygon[:, axis] - limit)  # not negative inside this edge
        before, depth_before = np.roll(polygon, 1, axis=0), np.roll(depth, 1)
        crosses = (depth >= 0) != (depth_before >= 0)
        share = np.where(crosses, depth_before / np.where(crosses, depth_before - depth, 1), 0)[:, None]
        crossing = before + share * (polygon - before)
        crossing[:, axis] = limit
        pairs = np.stack([crossing, polygon], axis=1).reshape(-1, 2)
        polygon = pairs[np.stack([crosses, depth >= 0], axis=1).ravel()]
    return polygon


def pasted(part: np.ndarray, top: int, left: int, height: int, width: int) -> CocoRuns:
    """Return the mask of which a part is known by its place; what lies outside the image is cut off.

    Args:
        part: [h, w] bool.
        top: row of its first pixel in the image, as left.
        left: column.
        height: of the image.
        width: of the image.

    >>> pasted(np.ones((2, 2), bool), 1, -1, 3, 2).encoded
    {'size': [3, 2], 'counts': b'123'}
    """
    plane = np.zeros((height, width), bool)
    part = part[max(0, -top) : max(0, height - top), max(0, -left) : max(0, width - left)]
    top, left = max(0, top), max(0, left)
    plane[top : top + part.shape[0], left : left + part.shape[1]] = part
    return CocoRuns(rle.encode_coco(plane))


def leaves(shape: Shape, height: int, width: int) -> bool:
    """Tell whether a part of a shape's outline lies outside the image.

    >>> leaves(Polygons((np.array([[0.0, 0], [4, 0], [4, 5]]),)), 4, 4), leaves(MaskFile("a.png"), 4, 4)
    (True, False)
    """
    if not isinstance(shape, Polygons):
        return False
    return any(bool((part < 0).any() or (part > [width, height]).any()) for part in shape.parts)


def beside(shape: Shape, height: int, width: int) -> bool:
    """Tell whether a shape's outline lies outside the image altogether.

    >>> beside(Polygons((np.array([[5.0, 0], [9, 0], [9, 5]]),)), 4, 4)
    True
    """
    if not isinstance(shape, Polygons):
        return False
    size = np.array([width, height])
    return all(bool((part.max(axis=0) <= 0).any() or (part.min(axis=0) >= size).any()) for part in shape.parts)


def read_mask(path: str) -> np.ndarray:
    """Read a mask image as it is stored: [H, W] or [H, W, C] of whole numbers.

    Raises:
        ValueError: it holds no image.
        FileNotFoundError: it isn't there.
    """
    data = np.fromfile(path, np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    if image is None:
        raise ValueError(f"{path} holds no image: a PNG with the mask is expected. Export it again.")
    return image


def read_index(path: str) -> np.ndarray:
    """Read an image of instance numbers: [H, W] int64.

    A colour image is read as panoptic COCO writes it, number = red + 256 green + 65536 blue. An image with a palette
    gives the palette's numbers.

    Raises:
        ValueError, FileNotFoundError: as `read_mask`.
    """
    from PIL import Image

    if not path.lower().endswith((".png", ".gif")):
        image = read_mask(path)
    else:
        try:
            with Image.open(path) as file:  # OpenCV would replace a palette's numbers by its colours
                image = np.asarray(file) if file.mode in ("P", "L", "I", "I;16", "1") else np.asarray(file.convert("RGB"))[..., ::-1]
        except FileNotFoundError:
            raise
        except Exception as error:  # Pillow's plugins raise whatever they like
            raise ValueError(f"{path} holds no image: a PNG of instance numbers is expected ({error}).") from error
    image = image.astype(np.int64)
    if image.ndim == 3:
        image = image[..., 2] + 256 * image[..., 1] + 65536 * image[..., 0]
    return image


def _rasterised(parts: Sequence[np.ndarray], height: int, width: int) -> dict[str, Any]:
    """Rasterise polygons as COCO does.

    COCO's code cuts off what is outside by itself, but walks along every outline: one that leaves by more than the
    image's size, by a slip perhaps, is cut first.
    """
    limit = 2 * max(height, width)
    flat = []
    for part in parts:
        if np.abs(part).max() > limit:
            part = clip(part, height, width)
        if len(part) >= 3:
            flat.append(part.ravel().tolist())
    if not flat:
        return rle.encode_coco(np.zeros((height, width), bool))
    return coco_mask.merge(coco_mask.frPyObjects(flat, height, width))


def _plane(image: np.ndarray) -> np.ndarray:
    """Return what is mask in an image: any colour but black; transparency doesn't count."""
    return image != 0 if image.ndim == 2 else (image[..., :3] != 0).any(axis=-1)


def _fitting(mask: np.ndarray, path: str, height: int, width: int) -> np.ndarray:
    if mask.shape != (height, width):
        raise ValueError(
            f"{path} is {mask.shape[0]} px high and {mask.shape[1]} wide, its photo {height} and {width}: a mask has its "
            "photo's size. Export it again."
        )
    return mask
