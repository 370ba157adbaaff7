"""Embedded scenes: people-like figures in eight kinds of garments, drawn from a seed, to train without any download.

A scene is a pure function of (seed, index, size). Its rules, which the tests hold it to:

- masks are the VISIBLE parts, so they are disjoint;
- every instance shows at least MIN_VISIBLE_SHARE of its whole area (what other things hide and what lies outside
  the frame count as unseen) and MIN_VISIBLE_PIXELS pixels (at 128 px; more in proportion to the area);
- a garment that would show less is not drawn at all, so no garment is visible without a mask;
- skin, hair and faces are no class;
- the generator is frozen: figures in docs and READMEs stay comparable. A test pins the hash of some scenes.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from mrcnn.data import dataset
from mrcnn.data import synthetic_attributes as told
from mrcnn.data import synthetic_figures as figures
from mrcnn.data import synthetic_garments as garments
from mrcnn.data import synthetic_paint as paint

CLASS_NAMES = figures.CLASS_NAMES
ATTRIBUTE_NAMES = told.NAMES
MIN_VISIBLE_SHARE = 0.35
MIN_VISIBLE_PIXELS = 24
MAX_INSTANCES = 10
MIN_INSTANCES = 4
MIN_SIZE = 64


@dataclass(frozen=True)
class Scene:
    """A drawn scene.

    Attributes:
        image: [size, size, 3] uint8 RGB
        masks: [size, size, N] bool, the visible parts
        class_ids: [N] int32, 1…8; CLASS_NAMES[id - 1] is the name
        shares: [N] float32, the visible share of each instance's whole area
        attributes: [N, len(ATTRIBUTE_NAMES)] bool, pattern and colour of each
    """

    image: np.ndarray
    masks: np.ndarray
    class_ids: np.ndarray
    shares: np.ndarray
    attributes: np.ndarray


@dataclass(frozen=True)
class Placed:
    """A layer at its place in the frame: `top`, `left` of its rectangle in pixels, which may lie outside."""

    layer: figures.Layer
    top: int
    left: int


def scene(seed: int, index: int, size: int = 128) -> Scene:
    """Draw scene number `index` of the endless series `seed`.

    Args:
        seed: any integer ≥ 0.
        index: any integer ≥ 0.
        size: side of the square in pixels, at least 64.

    Raises:
        ValueError: for a negative seed or index, or a size below 64.

    >>> drawn = scene(seed=1, index=0)
    >>> drawn.image.shape, drawn.masks.shape[2] == len(drawn.class_ids), int(drawn.masks.sum(axis=2).max())
    ((128, 128, 3), True, 1)
    """
    if seed < 0 or index < 0 or size < MIN_SIZE:
        raise ValueError(_refusal(seed, index, size))
    dice = paint.Dice(seed, index)
    backdrop = paint.background(dice, size)
    for _ in range(4):
        placed, _ = take_off(_people(dice, size), size)
        if sum(1 for item in placed if item.layer.class_id) >= MIN_INSTANCES:
            break
    image = _composite(backdrop, placed)
    owners, visible = owner_map(placed, size)
    kept = [number for number, item in enumerate(placed) if item.layer.class_id]
    masks = owners[:, :, None] == np.array(kept, np.int32)[None, None, :]
    cloths = [told.of_cloth(placed[number].layer.cloth, placed[number].layer.dye) for number in kept]
    return Scene(
        image=paint.light(image, dice),
        masks=masks,
        class_ids=np.array([placed[number].layer.class_id for number in kept], np.int32),
        shares=np.array([visible[number] / _area(placed[number].layer) for number in kept], np.float32),
        attributes=np.array(cloths, bool).reshape(-1, len(ATTRIBUTE_NAMES)),
    )


class SceneDataset(dataset.Dataset):
    """Embedded scenes as a Dataset: drawn when they are asked for, and kept as long as they fit into CACHE_BYTES.

    A kept scene is its image and one byte a pixel that numbers the instances, 64 KiB at 128 px.

    >>> scenes = SceneDataset()
    >>> scenes.load(count=3, seed=1, size=128)
    >>> scenes.prepare()
    >>> scenes.num_images, scenes.class_names[:3]
    (3, ['BG', 'hat', 'shirt'])
    """

    SOURCE = "scenes"
    CACHE_BYTES = 160 * 2**20

    def __init__(self, class_map: Any = None) -> None:
        super().__init__(class_map)
        self._kept: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = {}
        self.attribute_names = dict(enumerate(ATTRIBUTE_NAMES))

    def load(self, count: int, seed: int, size: int = 128, first: int = 0) -> None:
        """Add the scenes first … first + count - 1 of series `seed`, `size` pixels a side; then call prepare().

        Raises:
            ValueError: for a count below 1, or what `scene` refuses.
        """
        if count < 1:
            raise ValueError(f"SceneDataset.load(count={count}): ask for at least one scene.")
        if seed < 0 or first < 0 or size < MIN_SIZE:
            raise ValueError(_refusal(seed, first, size))
        for number, name in enumerate(CLASS_NAMES, start=1):
            self.add_class(self.SOURCE, number, name)
        for index in range(first, first + count):
            name = f"scene {seed}/{index}"
            side = {"width": size, "height": size}
            self.add_image(self.SOURCE, image_id=name, path=None, seed=seed, index=index, size=size, **side)

    def load_image(self, image_id: int) -> np.ndarray:
        """Draw an image: [size, size, 3] uint8 RGB."""
        return self._scene(image_id)[0].copy()

    def load_mask(self, image_id: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw the visible masks: [size, size, N] bool, and class ids [N] int32."""
        _, numbers, class_ids, _ = self._scene(image_id)
        return numbers[:, :, None] == np.arange(1, len(class_ids) + 1, dtype=np.uint8), class_ids.copy()

    def image_class_ids(self, image_id: int) -> np.ndarray:
        """Return the class of each visible garment: [N] int32."""
        return self._scene(image_id)[2].copy()

    def load_attributes(self, image_id: int) -> np.ndarray:
        """Return pattern and colour of each visible garment: [N, len(ATTRIBUTE_NAMES)] int8, 1 or 0."""
        return self._scene(image_id)[3].astype(np.int8)

    def _scene(self, image_id: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return image [size, size, 3], instance numbers from 1 [size, size] uint8 (0: none), class ids [N] and attributes."""
        kept = self._kept.get(image_id)
        if kept is None:
            info = self.image_info[image_id]
            drawn = scene(info["seed"], info["index"], info["size"])
            order = np.arange(1, len(drawn.class_ids) + 1, dtype=np.uint8)
            kept = (drawn.image, np.max(drawn.masks * order, axis=2, initial=0), drawn.class_ids, drawn.attributes)
            if (len(self._kept) + 1) * (drawn.image.nbytes + kept[1].nbytes) <= self.CACHE_BYTES:
                self._kept[image_id] = kept
        return kept


def _refusal(seed: int, index: int, size: int) -> str:
    return f"scene {index} of seed {seed}, {size} px: seed and index must be ≥ 0, size at least {MIN_SIZE}."


def _people(dice: paint.Dice, size: int) -> list[Placed]:
    """Draw one to three figures and place their layers, the far ones first."""
    count = dice.pick((1, 2, 2, 3))
    scale = size / 128
    lit = dice.pick((-1, 1))
    outfits = _outfits(dice, count)
    slots = _slots(dice, count)
    placed: list[Placed] = []
    for order, outfit in enumerate(outfits):
        height = dice.between(*((104, 150), (96, 118), (84, 100))[count - 1]) * scale
        brush = figures.Brush(dice, height, dice.between(-5, 5), dice.chance(50), lit)
        garments.dress_figure(brush, figures.draw_body(dice), outfit)
        soles = max(size * (0.9 + 0.03 * order + dice.between(-0.01, 0.02)), height * (0.97 + 0.1 * outfit.hat))
        y, x = int(soles), int(slots[order] * size)
        placed += [Placed(layer, y + layer.top, x + layer.left) for layer in brush.layers]
    return placed


def _slots(dice: paint.Dice, count: int) -> list[float]:
    """Return the places of figures across the frame, shuffled, as shares of its width."""
    places = [(0.5,), (0.29, 0.71), (0.19, 0.5, 0.81)][count - 1]
    shift = dice.below(count)
    places = places[shift:] + places[:shift]
    return [place + dice.between(-0.08, 0.08) for place in places]


def _outfits(dice: paint.Dice, count: int) -> list[garments.Outfit]:
    """Draw what each figure wears, so that a scene has MIN_INSTANCES to MAX_INSTANCES garments."""
    outfits = [garments.Outfit(dice.pick((0, figures.SKIRT, figures.PANTS))) for _ in range(count)]
    wishes = [
        (outfit, name)
        for outfit in outfits
        for name, percent in (("shoes", 80), ("hat", 50), ("jacket", 40), ("bag", 50))
        if dice.chance(percent)
    ]
    if count == 1:
        wishes += [(outfits[0], "shoes"), (outfits[0], "bag")]
    while wishes:
        outfit, name = wishes.pop(dice.below(len(wishes)))
        before = getattr(outfit, name)
        setattr(outfit, name, True)
        if sum(each.count() for each in outfits) > MAX_INSTANCES:
            setattr(outfit, name, before)
    return outfits


def _clip(item: Placed, size: int) -> tuple[slice, slice, slice, slice] | None:
    """Return the slices of the frame and of the layer where both meet, or None where they don't."""
    height, width = item.layer.alpha.shape
    top, left = max(item.top, 0), max(item.left, 0)
    bottom, right = min(item.top + height, size), min(item.left + width, size)
    if top >= bottom or left >= right:
        return None
    return (
        slice(top, bottom),
        slice(left, right),
        slice(top - item.top, bottom - item.top),
        slice(left - item.left, right - item.left),
    )


def _area(layer: figures.Layer) -> int:
    """Return the whole area of a layer in pixels, seen or not."""
    return int(np.count_nonzero(layer.alpha >= 128))


def owner_map(placed: list[Placed], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return which layer owns each pixel, and how many pixels each layer owns.

    Args:
        placed: layers from back to front.

    Returns:
        owners: [size, size] int32, the number of the front-most layer, -1 where there is none.
        visible: [number of layers] int64
    """
    owners = np.full((size, size), -1, np.int32)
    for number, item in enumerate(placed):
        clip = _clip(item, size)
        if clip:
            owners[clip[0], clip[1]][item.layer.alpha[clip[2], clip[3]] >= 128] = number
    return owners, np.bincount(owners.ravel() + 1, minlength=len(placed) + 1)[1:]


def take_off(placed: list[Placed], size: int) -> tuple[list[Placed], int]:
    """Remove the garments that show too little of themselves.

    What is removed can only uncover others, so those that stay still show enough afterwards.

    Returns:
        The layers that stay, and the number removed.
    """
    _, visible = owner_map(placed, size)
    least = MIN_VISIBLE_PIXELS * (size / 128) ** 2
    kept = [
        item
        for item, pixels in zip(placed, visible.tolist(), strict=True)
        if not item.layer.class_id or pixels >= max(least, MIN_VISIBLE_SHARE * _area(item.layer))
    ]
    return kept, len(placed) - len(kept)


def _composite(backdrop: np.ndarray, placed: list[Placed]) -> np.ndarray:
    """Paint layers over a backdrop, back to front: [size, size, 3] uint8."""
    image = backdrop.astype(np.uint16)
    for item in placed:
        clip = _clip(item, len(image))
        if clip:
            under = image[clip[0], clip[1]]
            alpha = item.layer.alpha[clip[2], clip[3], None].astype(np.uint16)
            total = under * (255 - alpha) + item.layer.colour[clip[2], clip[3]] * alpha + 128
            image[clip[0], clip[1]] = (total + (total >> 8)) >> 8
    return image.astype(np.uint8)
