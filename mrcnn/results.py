"""What a detector returns for one image: the four historic keys, checked, with a few methods around them.

`Detections` is a dict, because scripts written for the original library read `r["rois"]` and write `r["masks"] =
refined`. Nothing is checked after construction but by `validate()`: between two such assignments the parts may disagree
for a moment. The masks may wait as the network gave them and become planes when `r["masks"]` is first read: a hundred
planes of a large photo are a gigabyte that evaluation and bulk work never look at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mrcnn.ops import boxes, overlaps, rle
from mrcnn.ops.waiting import EncodedMasks, SmallMasks

DTYPES = {"rois": np.int32, "class_ids": np.int32, "scores": np.float32, "masks": np.bool_}
KEYS = tuple(DTYPES)
WAITING = (SmallMasks, EncodedMasks)


class Detections(dict):
    """The detections of one image.

    Keys:
        rois: [N, (y1, x1, y2, x2)] int32, pixels of the image, y2 and x2 outside the box.
        class_ids: [N] int32, 1 or more (0 is background).
        scores: [N] float32, as a rule from 0 to 1. Best first as detect() returns them; other orders are allowed.
        masks: [H, W, N] bool, H and W those of the image. Given as `SmallMasks` or `EncodedMasks`, they become planes when first
            read; `rles`, `areas` and the other methods do without.

    Attributes:
        window: (y1, x1, y2, x2) of the image inside the padded network input, or None where the maker did not say.
        attributes: [N, A] float32 probabilities of each detection's attributes, or None where the network has no head for
            them (Config.NUM_ATTRIBUTES).
        attribute_min_confidence: probability from which on an attribute is said of a detection.
        explain: what became of each object on the way, from `detect(explain=True)`; else None. Of these detections: copies and
            selections don't have it.

    Example:
        >>> found = Detections(rois=[[0, 0, 2, 3]], class_ids=[1], scores=[0.9], masks=np.ones((4, 5, 1), bool))
        >>> found.num, sorted(found), found["rois"].tolist()
        (1, ['class_ids', 'masks', 'rois', 'scores'], [[0, 0, 2, 3]])
    """

    attributes: np.ndarray | None = None
    attribute_min_confidence: float = 0.5
    explain: Any = None

    def __init__(
        self,
        rois: np.ndarray,
        class_ids: np.ndarray,
        scores: np.ndarray,
        masks: np.ndarray | SmallMasks | EncodedMasks,
        window: Sequence[int] | None = None,
        attributes: np.ndarray | None = None,
        attribute_min_confidence: float = 0.5,
    ):
        """Take the four arrays, bring them to their dtypes and check that they belong together.

        Raises:
            ValueError: A part has another shape than the docstring of the class says, or the parts disagree in N; rois
                or class_ids are not whole numbers; a score is nan; a mask holds other values than 0 and 1.
        """
        super().__init__(
            rois=_whole_numbers("rois", rois),
            class_ids=_whole_numbers("class_ids", class_ids),
            scores=np.asarray(scores, np.float32),
            masks=masks if isinstance(masks, WAITING) else _as_bool(masks),
        )
        if self["rois"].size == 0 and self["rois"].ndim == 1:
            self["rois"] = self["rois"].reshape(0, 4)  # an empty list says no width
        self.window = window
        self.attributes = None if attributes is None else np.asarray(attributes, np.float32)
        self.attribute_min_confidence = attribute_min_confidence
        self.validate()

    @classmethod
    def empty(cls, height: int, width: int) -> Detections:
        """Return the detections of an image of this size in which nothing was found."""
        return cls(np.zeros((0, 4)), np.zeros(0), np.zeros(0), np.zeros((height, width, 0), bool))

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, np.ndarray]) -> Detections:
        """Return checked detections: `mapping` itself if it is of this class and has kept its dtypes, else its four
        arrays.

        Raises:
            ValueError: A key is missing, or see the constructor.
        """
        if isinstance(mapping, cls) and set(mapping) >= set(KEYS):
            kept = KEYS if mapping.pasted else KEYS[:3]
            if all(getattr(mapping[key], "dtype", None) == DTYPES[key] for key in kept):
                mapping.validate()
                return mapping
        missing = [key for key in KEYS if key not in mapping]
        if missing:
            raise ValueError(f"detections need the keys {', '.join(KEYS)}; got {sorted(mapping)}: {missing} missing")
        return cls(**{key: mapping[key] for key in KEYS}, **_told(mapping))

    def validate(self) -> None:
        """Check that the four arrays have the shapes of one image's detections and agree in their number.

        Raises:
            ValueError: They do not; the message shows what arrived.
        """
        shapes = {key: np.shape(self[key]) for key in KEYS[:3]}
        shapes["masks"] = np.shape(self["masks"]) if self.pasted else self._small.shape
        arrived = ", ".join(f"{key} {shape}" for key, shape in shapes.items())
        if [len(shapes[key]) for key in KEYS] != [2, 1, 1, 3] or shapes["rois"][1] != 4:
            raise ValueError(f"detections are rois [N, 4], class_ids [N], scores [N], masks [H, W, N]; got {arrived}")
        if len({*(shapes[key][0] for key in KEYS[:3]), shapes["masks"][2]}) != 1:
            raise ValueError(f"rois, class_ids, scores and masks must agree in the number of detections; got {arrived}")
        if np.isnan(self["scores"]).any():
            bad = np.flatnonzero(np.isnan(self["scores"])).tolist()
            raise ValueError(f"scores must be numbers, got nan at {bad}: a network with nan weights gives such scores")
        if self.attributes is not None and (self.attributes.ndim != 2 or len(self.attributes) != self.num):
            raise ValueError(
                f"attributes [{self.num}, A] are expected, a row a detection; got {self.attributes.shape}. Take a part of the detections with "
                "select, which keeps them together, or set attributes as well."
            )

    def __repr__(self) -> str:
        """Show the number of detections and the size of the image, not the arrays."""
        try:
            height, width = self.image_shape
            return f"Detections(num={self.num}, image={height}x{width}, class_ids={self['class_ids'].tolist()})"
        except (KeyError, ValueError, AttributeError):
            return f"Detections({dict.__repr__(self)})"

    @property
    def num(self) -> int:
        """The number of detections. (`len` counts the keys, as of any dict.)"""
        return len(self["rois"])

    @property
    def image_shape(self) -> tuple[int, int]:
        """(height, width) of the image that was looked at, in pixels."""
        height, width = (self["masks"] if self.pasted else self._small).shape[:2]
        return height, width

    @property
    def pasted(self) -> bool:
        """Whether the masks are an array; if not, they wait as `SmallMasks` or `EncodedMasks` for somebody to read them."""
        return not isinstance(super().__getitem__("masks"), WAITING)

    @property
    def rles(self) -> list[dict[str, Any]]:
        """N COCO run-length encodings of the masks, {"size": [H, W], "counts": bytes}; masks that wait go on waiting."""
        return rle.encode_coco(np.asarray(self["masks"])) if self.pasted else self._small.rles()

    @property
    def areas(self) -> np.ndarray:
        """[N] int64, the pixels of each mask."""
        if not self.pasted:
            return rle.area_coco(self.rles)
        masks = np.asarray(self["masks"]).astype(bool, copy=False)  # another dtype may have been assigned
        columns = np.add.reduce(masks.view(np.uint8), axis=0, dtype=np.uint32)  # [W, N]; 8 × count_nonzero's speed
        return columns.sum(axis=0, dtype=np.int64)

    def copy(self) -> Detections:
        """Return new detections with copies of the arrays."""
        return self.select(np.arange(self.num))

    def select(self, indices: np.ndarray) -> Detections:
        """Return copies of the detections that `indices` (whole numbers, or bool [N]) names, in its order."""
        indices = np.asarray(indices)
        if indices.size == 0 and indices.dtype != bool:
            indices = indices.astype(np.int64)  # an empty list arrives as float
        parts = {key: self[key][indices] for key in KEYS[:3]}
        masks = self["masks"][:, :, indices] if self.pasted else self._small.select(indices)
        told = _told(self)
        if self.attributes is not None:
            told["attributes"] = self.attributes[indices]
        return Detections(masks=masks, **told, **parts)

    def filter(self, min_score: float | None = None, class_ids: Sequence[int] | None = None) -> Detections:
        """Return the detections with at least this score (itself included) and of one of these classes.

        Example:
            >>> found = Detections([[0, 0, 1, 1]] * 3, [1, 2, 1], [0.9, 0.8, 0.3], np.ones((2, 2, 3), bool))
            >>> found.filter(min_score=0.5)["class_ids"].tolist(), found.filter(class_ids=[1]).num
            ([1, 2], 2)
        """
        keep = np.ones(self.num, bool)
        if min_score is not None:
            keep &= self["scores"] >= min_score
        if class_ids is not None:
            keep &= np.isin(self["class_ids"], list(class_ids))
        return self.select(keep)

    def replaced(self, rois: np.ndarray, masks: np.ndarray | SmallMasks | EncodedMasks) -> Detections:
        """Return these detections with other boxes and masks, one for each; all else is theirs but what explains the old ones.

        Raises:
            ValueError: They are not as many, see `validate`.
        """
        parts = {"rois": _whole_numbers("rois", rois), "class_ids": self["class_ids"].copy(), "scores": self["scores"].copy()}
        found = _restore(type(self), {**parts, "masks": masks if isinstance(masks, WAITING) else _as_bool(masks)}, self.__dict__)
        found.__dict__.pop("explain", None)
        found.validate()
        return found

    def mirrored(self) -> Detections:
        """Return the detections of the image seen in a mirror: left is right."""
        masks = np.ascontiguousarray(self["masks"][:, ::-1]) if self.pasted else self._small.mirrored()
        return self.replaced(boxes.mirrored(self["rois"], self.image_shape[1]), masks)

    def without_overlaps(self, first: str = "smallest") -> Detections:
        """Return the detections with every pixel in one mask at most, and boxes tight around what is left.

        Args:
            first: Whose pixels they are where masks overlap: "smallest", the smaller mask's, as in the kernels for iMaterialist (a button
                is not swallowed by the coat); "best", that of the higher score.

        Returns:
            Detections in their order, masks as `EncodedMasks`; those of which nothing is left are dropped.

        Raises:
            ValueError: first is neither.

        Example:
            >>> masks = np.ones((1, 4, 2), bool)
            >>> masks[:, 2:, 1] = False
            >>> found = Detections([[0, 0, 1, 4], [0, 0, 1, 2]], [1, 2], [0.9, 0.8], masks)
            >>> found.without_overlaps()["rois"].tolist(), found.without_overlaps("best").num
            ([[0, 2, 1, 4], [0, 0, 1, 2]], 1)
        """
        if first not in ("smallest", "best"):
            raise ValueError(f"first = {first!r}: 'smallest' or 'best' is expected")
        encoded = self.rles
        rank = rle.area_coco(encoded) if first == "smallest" else -self["scores"]
        parts = overlaps.apart(encoded, np.argsort(rank, kind="stable"))
        return self.replaced(rle.boxes_coco(parts), EncodedMasks(parts, self.image_shape)).select(rle.area_coco(parts) > 0)

    def mask_nms(self, threshold: float, *, per_class: bool = True) -> Detections:
        """Return the detections, best first, without those whose mask a better kept one overlaps by more than `threshold` (IoU of masks).

        Args:
            threshold: From 0 to 1.
            per_class: False: masks of different classes suppress one another too.

        Raises:
            ValueError: a threshold outside 0…1.
        """
        if not 0 <= threshold <= 1:
            raise ValueError(f"threshold = {threshold}: an intersection over union from 0 to 1 is expected")
        groups = self["class_ids"] if per_class else None
        return self.select(overlaps.non_max_suppression(self.rles, self["scores"], threshold, groups))

    def attributes_above(self, names: Sequence[Any] | None = None, min_confidence: float | None = None) -> list[tuple[Any, ...]]:
        """Return the attributes that are said of each detection, the surest first.

        Args:
            names: [A] of what to call them: `list(dataset.attribute_names.values())` for names, `list(dataset.attribute_names)`
                for ids. None: their numbers, from 0.
            min_confidence: least probability. None: `attribute_min_confidence`.

        Returns:
            N tuples; empty ones where the network has no head for attributes.

        Raises:
            ValueError: there are more or fewer names than attributes.

        Example:
            >>> found = Detections([[0, 0, 1, 1]], [1], [0.9], np.ones((2, 2, 1), bool), attributes=[[0.2, 0.7, 0.9]])
            >>> found.attributes_above(), found.attributes_above(["long", "red", "striped"], min_confidence=0.8)
            ([(2, 1)], [('striped',)])
        """
        if self.attributes is None:
            return [()] * self.num
        count = self.attributes.shape[1]
        names = range(count) if names is None else names
        if len(names) != count:
            raise ValueError(f"the network tells {count} attributes, but {len(names)} names are given: pass those of the data set it was trained on")
        least = self.attribute_min_confidence if min_confidence is None else min_confidence
        ranked = np.argsort(-self.attributes, axis=1, kind="stable")
        return [tuple(names[i] for i in order if row[i] >= least) for row, order in zip(self.attributes, ranked.tolist(), strict=True)]

    def to_coco(
        self, image_id: int | str, category_ids: Mapping[int, int] | Sequence[int] | None = None
    ) -> list[dict[str, object]]:
        """Return the detections in the COCO results form, masks as compressed RLE.

        Args:
            image_id: The id of the image in the ground truth.
            category_ids: The COCO category of each class id (a mapping, or a sequence indexed by class id). None: the
                same.

        Returns:
            A list of {image_id, category_id, bbox [x, y, width, height], score, segmentation {size, counts: str}},
            ready for json.dump and `COCO.loadRes`.

        Raises:
            ValueError: A class id has no category.
        """
        results: list[dict[str, object]] = []
        for encoded, (y1, x1, y2, x2), class_id, score in zip(
            self.rles, self["rois"].tolist(), self["class_ids"].tolist(), self["scores"].tolist(), strict=True
        ):
            try:
                category_id = class_id if category_ids is None else category_ids[class_id]
            except (KeyError, IndexError):
                raise ValueError(f"class id {class_id} has no entry in category_ids {category_ids}") from None
            results.append(
                {
                    "image_id": image_id,
                    "category_id": int(category_id),
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "score": score,
                    "segmentation": {"size": list(encoded["size"]), "counts": encoded["counts"].decode("ascii")},
                }
            )
        return results

    # --- A dict whose masks may wait: whatever hands out values pastes them first ---------------------------------------

    @property
    def _small(self) -> SmallMasks | EncodedMasks:
        """The masks that wait."""
        return super().__getitem__("masks")

    def _paste(self) -> None:
        if "masks" in self and not self.pasted:
            self["masks"] = self._small.planes()

    def __getitem__(self, key: str) -> np.ndarray:
        if key == "masks":
            self._paste()
        return super().__getitem__(key)

    def __iter__(self) -> Iterator[str]:
        return super().__iter__()  # being overridden, it keeps dict(found) and {**found} from copying past __getitem__

    def get(self, key: str, default: Any = None) -> Any:
        return self[key] if key in self else default

    def setdefault(self, key: str, default: Any = None) -> Any:
        return self[key] if key in self else super().setdefault(key, default)

    def pop(self, key: str, *default: Any) -> Any:
        self._paste()
        return super().pop(key, *default)

    def popitem(self) -> tuple[str, Any]:
        self._paste()
        return super().popitem()

    def values(self) -> Any:
        self._paste()
        return super().values()

    def items(self) -> Any:
        self._paste()
        return super().items()

    def __or__(self, other: Any) -> Any:
        self._paste()
        return super().__or__(other)

    def __ror__(self, other: Any) -> Any:
        self._paste()
        return super().__ror__(other)

    def __reduce__(self) -> tuple:
        return _restore, (type(self), dict(super().items()), dict(self.__dict__))


def _restore(cls: type[Detections], values: dict[str, Any], attributes: dict[str, Any]) -> Detections:
    """Make detections from a pickle or for `copy`; masks that wait go on waiting."""
    restored = cls.__new__(cls)
    restored.update(values)
    restored.__dict__.update(attributes)
    return restored


def _told(mapping: Any) -> dict[str, Any]:
    """What detections carry beside their four arrays."""
    names = ("window", "attributes", "attribute_min_confidence")
    return {name: getattr(mapping, name) for name in names if hasattr(mapping, name)}


def _whole_numbers(name: str, values: np.ndarray) -> np.ndarray:
    """Return the values as int32, refusing to drop a fraction."""
    values = np.asarray(values)
    if values.dtype.kind == "f" and not (np.isfinite(values) & (values == np.rint(values))).all():
        raise ValueError(f"{name} must be whole numbers, got {values.dtype} with fractions: round them first\n{values}")
    return values.astype(np.int32)


def _as_bool(masks: np.ndarray) -> np.ndarray:
    """Return masks of 0 and 1 (any dtype) as bool; 0.3 is a probability and not a mask."""
    masks = np.asarray(masks)
    if masks.dtype != bool and masks.size and not np.isin(masks, (0, 1)).all():
        came = f"{masks.dtype} from {masks.min()} to {masks.max()}"
        raise ValueError(f"masks must be bool or hold 0 and 1 only, got {came}: compare them with a threshold first")
    return masks.astype(bool, copy=False)
