"""Several data sets as one: classes of one name become one class, and each image keeps what its own data set labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mrcnn.data import attributes
from mrcnn.data.dataset import Dataset, rles_of


class Merged(Dataset):
    """The images of several data sets, as a view: `load_image` and `load_mask` are theirs.

    A class that one data set doesn't have is not trained on its images, neither as found nor as missing: they may show
    it unlabelled. Likewise an attribute: it is unknown there.
    (`source_class_ids` holds this, as for several sources in one data set of the original.)

    Attributes:
        parts: the data sets.
        part_of: [num_images] int64, the place in `parts` of each image's own.
        part_ids: [num_images] int64, its id there.
    """

    def __init__(self, parts: Sequence[Dataset]) -> None:
        """See `merge`."""
        super().__init__()
        self.parts = list(parts)
        counts = [len(part._prepared("class_from_source_map") and part.image_ids) for part in self.parts]
        self.part_of = np.repeat(np.arange(len(counts)), counts)
        self.part_ids = np.concatenate([np.arange(count) for count in counts]).astype(np.int64)
        self._class_ids: list[np.ndarray] = []  # of each part: its class id -> ours
        self._sources: list[dict[str, str]] = []  # of each part: its source -> ours
        taken: set[str] = set()
        for part in self.parts:
            renamed: dict[str, str] = {}
            for source in dict.fromkeys(info["source"] for info in (*part.class_info[1:], *part.image_info)):
                renamed[source] = _free(source, taken)
                taken.add(renamed[source])
            self._sources.append(renamed)
            self._class_ids.append(np.array([0, *(self._class_id(info, renamed) for info in part.class_info[1:])]))
            self.image_info += [{**info, "source": renamed[info["source"]]} for info in part.image_info]
            self._add_attributes(getattr(part, "attribute_names", None) or {})
        self._columns = [self._columns_of(getattr(part, "attribute_names", None) or {}) for part in self.parts]
        self.prepare()

    def _class_id(self, info: dict[str, Any], renamed: dict[str, str]) -> int:
        """Return our id of a class, adding it if its name is new."""
        for class_id, ours in enumerate(self.class_info[1:], start=1):
            if ours["name"] == info["name"]:
                return class_id
        self.class_info.append({**info, "source": renamed[info["source"]]})
        return len(self.class_info) - 1

    def _add_attributes(self, names: dict[Any, str]) -> None:
        """Add the attributes whose name is new, under their own id if that is free, else under the next free number."""
        for one, name in names.items():
            if name not in self.attribute_names.values():
                taken = [known for known in self.attribute_names if isinstance(known, int)]
                self.attribute_names[one if one not in self.attribute_names else max(taken, default=-1) + 1] = name

    def _columns_of(self, names: dict[Any, str]) -> list[int]:
        """Return our column of each of a part's attributes."""
        ours = list(self.attribute_names.values())
        return [ours.index(name) for name in names.values()]

    def prepare(self, class_map: Any = None) -> None:
        """Number images and classes; done already."""
        super().prepare(class_map)
        self._own_ids: dict[tuple[int, str], Any] = {}  # (our class id, our source) -> the source's own id
        for part, class_ids, renamed in zip(self.parts, self._class_ids, self._sources, strict=True):
            for source, ours in renamed.items():
                self.source_class_ids[ours] = sorted({0, *class_ids[part.source_class_ids.get(source, [0])].tolist()})
            for info, class_id in zip(part.class_info[1:], class_ids[1:].tolist(), strict=True):
                self._own_ids[class_id, renamed[info["source"]]] = info["id"]
                self.class_from_source_map[f"{renamed[info['source']]}.{info['id']}"] = class_id
        self.sources = sorted({*self.sources, *self.source_class_ids})

    def __setattr__(self, name: str, value: Any) -> None:
        """Refuse what would have no effect: files are read and masks turned by the parts."""
        if name in ("channels", "mask_frame"):
            raise ValueError(f"{name} is of the data sets that are merged: set it there.")
        super().__setattr__(name, value)

    def add_image(self, source: str, image_id: Any, path: str | None, **kwargs: Any) -> None:
        """Refuse: it shows images of its parts only."""
        raise ValueError("A merged data set takes no new images: add them to one of its parts, prepare it, and merge anew.")

    def add_class(self, source: str, class_id: int | str, class_name: str) -> None:
        """Refuse: its classes are those of its parts."""
        raise ValueError("A merged data set takes no new classes: add them to one of its parts, prepare it, and merge anew.")

    def get_source_class_id(self, class_id: int, source: str) -> Any:
        """Return a source's own id of one of the classes, which may come from several sources.

        Raises:
            ValueError: there is no such class, or the source doesn't have it.
        """
        if (class_id, source) in self._own_ids:
            return self._own_ids[class_id, source]
        return super().get_source_class_id(class_id, source)

    def load_image(self, image_id: int) -> np.ndarray:
        """As its part's."""
        part, own = self._part(image_id)
        return self.parts[part].load_image(own)

    def load_mask(self, image_id: int) -> tuple[np.ndarray, np.ndarray]:
        """As its part's, with our class ids."""
        part, own = self._part(image_id)
        masks, class_ids = self.parts[part].load_mask(own)
        return masks, self._ours(part, class_ids)

    def load_rles(self, image_id: int) -> tuple[Sequence[dict[str, Any]], np.ndarray] | None:
        """As its part's, with our class ids."""
        part, own = self._part(image_id)
        found = rles_of(self.parts[part], own)
        return None if found is None else (found[0], self._ours(part, found[1]))

    def load_attributes(self, image_id: int) -> np.ndarray | None:
        """As its part's, in our columns; unknown where the part doesn't have the attribute."""
        part, own = self._part(image_id)
        given = self.parts[part].load_attributes(own)
        if given is None:
            return None
        found = np.full((len(given), len(self.attribute_names)), attributes.UNKNOWN, np.int8)
        found[:, self._columns[part]] = given
        return found

    def mask_orientation(self, image_id: int) -> int:
        """As its part's."""
        part, own = self._part(image_id)
        return self.parts[part].mask_orientation(own)

    def image_class_ids(self, image_id: int) -> np.ndarray:
        """As its part's, with our class ids."""
        part, own = self._part(image_id)
        return self._ours(part, self.parts[part].image_class_ids(own))

    def image_reference(self, image_id: int) -> Any:
        """As its part's."""
        part, own = self._part(image_id)
        return self.parts[part].image_reference(own)

    def source_image_link(self, image_id: int) -> str | None:
        """As its part's."""
        part, own = self._part(image_id)
        return self.parts[part].source_image_link(own)

    def _part(self, image_id: int) -> tuple[int, int]:
        self._info(image_id)  # refuses ids out of range
        return int(self.part_of[image_id]), int(self.part_ids[image_id])

    def _ours(self, part: int, class_ids: np.ndarray) -> np.ndarray:
        class_ids = np.asarray(class_ids).astype(np.int64)
        return (np.sign(class_ids) * self._class_ids[part][np.abs(class_ids)]).astype(np.int32)


def merge(parts: Sequence[Dataset]) -> Merged:
    """Make one data set of several, of any kinds.

    Args:
        parts: data sets, prepared. Classes of one name become one class, numbered in the order in which they are met; a
            source that several have gets a number, "coco-2".

    Returns:
        A data set, prepared.

    Raises:
        KeyError: a part is not prepared.
        ValueError: there is no part.

    >>> first, second = Dataset(), Dataset()
    >>> first.add_class("a", 1, "shoe")
    >>> second.add_class("b", 5, "hat"), second.add_class("b", 6, "shoe")
    (None, None)
    >>> first.prepare(), second.prepare()
    (None, None)
    >>> both = merge([first, second])
    >>> both.class_names, both.map_source_class_id("b.6")
    (['BG', 'shoe', 'hat'], 1)
    """
    if not len(parts):
        raise ValueError("There is no data set to merge: give one or more.")
    return Merged(parts)


def _free(source: str, taken: set[str]) -> str:
    """Return a source's name, with a number if it is taken."""
    number, name = 1, source
    while name in taken:
        number += 1
        name = f"{source}-{number}"
    return name
