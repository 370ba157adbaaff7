"""Dataset: a list of images and classes that a user's subclass fills, with the interface of the original library.

Override `load_mask` (and `load_image`, where an image isn't a file), fill the lists with `add_class` and `add_image`,
call `prepare`, and hand the dataset to training or evaluation. Several sources may share a dataset: a class belongs to
a source, and only the classes of an image's source are trained on it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from mrcnn.data import images, reading
from mrcnn.ops import rle

logger = logging.getLogger(__name__)


class Dataset:
    """Images, classes and masks.

    Attributes, those of the last line after `prepare`:
        image_info: per image, a dict with id, source, path and whatever else `add_image` was given.
        class_info: per class, a dict with source, id (the source's own) and name; entry 0 is the background.
        num_images, image_ids [num_images], num_classes, class_ids [num_classes], class_names, sources,
        class_from_source_map ({"source.id": class id}), image_from_source_map ({"source.id": image id}),
        source_class_ids ({source: [class ids]}, background included).
        channels: what `load_image` reads from files: 3 for RGB, 1 for grey, 4 for RGB and alpha; of .npy files any number.
            Set it, in a subclass or on the data set, to IMAGE_CHANNEL_COUNT.
        mask_frame: which pixels masks were drawn on where a photo has an EXIF tag that turns it. "upright": the photo as
            browsers and annotation tools show it, and as `load_image` returns it. "stored": the pixels as the file has
            them (tools that don't know the tag); the masks are then turned with the photo. `add_image(mask_frame=…)`
            says so for one image.
        attribute_names: {the source's own id: name} of what `load_attributes` tells of instances; empty as a rule.

    >>> dataset = Dataset()
    >>> dataset.add_class("fashion", 7, "trousers")
    >>> dataset.add_image("fashion", image_id="a.jpg", path="photos/a.jpg")
    >>> dataset.prepare()
    >>> dataset.class_names, dataset.map_source_class_id("fashion.7")
    (['BG', 'trousers'], 1)
    """

    channels: int = 3
    mask_frame: str = "upright"

    def __init__(self, class_map: Any = None) -> None:
        """Start an empty dataset.

        Args:
            class_map: accepted for old scripts (some pass self by mistake), and ignored as in the original.
        """
        self._image_ids: np.ndarray | list = []
        self.image_info: list[dict[str, Any]] = []
        self.class_info: list[dict[str, Any]] = [{"source": "", "id": 0, "name": "BG"}]
        self.source_class_ids: dict[str, list[int]] = {}
        self.attribute_names: dict[Any, str] = {}

    def add_class(self, source: str, class_id: int | str, class_name: str) -> None:
        """Add a class of a source; one that is there already is left as it is.

        Args:
            source: name of the source, without a dot.
            class_id: the source's own id of the class.
            class_name: name to show.

        Raises:
            ValueError: a dot in the source, or an id that is no number and no text.
        """
        if not isinstance(source, str) or "." in source:
            raise ValueError(f"The name of a source is text without a dot; got {source!r}.")
        if isinstance(class_id, bool) or not isinstance(class_id, int | np.integer | str):
            raise ValueError(
                f"Class {class_name!r} of {source!r} needs a whole number or text as id; got {class_id!r}."
            )
        for info in self.class_info:
            if info["source"] == source and info["id"] == class_id:
                if info["name"] != class_name:
                    logger.warning("Class %s.%s stays %r; %r is ignored.", source, class_id, info["name"], class_name)
                return
        self.class_info.append({"source": source, "id": class_id, "name": class_name})

    def add_image(self, source: str, image_id: Any, path: str | None, **kwargs: Any) -> None:
        """Add an image.

        Args:
            source: name of the source, whose classes are trained on this image.
            image_id: the source's own id of the image.
            path: file, or None if `load_image` is overridden.
            **kwargs: anything that `load_image` or `load_mask` will need: sizes, annotations.
        """
        self.image_info.append({"id": image_id, "source": source, "path": path, **kwargs})

    def image_reference(self, image_id: int) -> Any:
        """Return a link or other details to show for an image; empty unless overridden."""
        return ""

    def prepare(self, class_map: Any = None) -> None:
        """Number images and classes; call it after the last `add_class` and `add_image`, and before use.

        Args:
            class_map: ignored, as in the original.
        """
        self.num_classes = len(self.class_info)
        self.class_ids = np.arange(self.num_classes)
        self.class_names = [self._clean_name(info["name"]) for info in self.class_info]
        self.num_images = len(self.image_info)
        self._image_ids = np.arange(self.num_images)
        self.class_from_source_map = {
            f"{info['source']}.{info['id']}": int(class_id)
            for info, class_id in zip(self.class_info, self.class_ids, strict=True)
        }
        self.image_from_source_map = {
            f"{info['source']}.{info['id']}": int(image_id)
            for info, image_id in zip(self.image_info, self.image_ids, strict=True)
        }
        self.sources = sorted({info["source"] for info in self.class_info})
        self.source_class_ids = {
            source: [i for i, info in enumerate(self.class_info) if i == 0 or info["source"] == source]
            for source in self.sources
        }

    @property
    def image_ids(self) -> np.ndarray:
        """[num_images] int: ids of all images, 0…num_images - 1."""
        return self._image_ids

    def map_source_class_id(self, source_class_id: str) -> int:
        """Return this dataset's id of a source's class.

        Args:
            source_class_id: "source.id", such as "coco.12".

        Raises:
            KeyError: there is no such class, or `prepare` was not called.
        """
        known = self._prepared("class_from_source_map")
        if source_class_id not in known:
            examples = ", ".join(list(known)[1:6]) or "none"
            raise KeyError(f"No class {source_class_id!r} in the dataset; it has {len(known) - 1} classes: {examples}…")
        return known[source_class_id]

    def get_source_class_id(self, class_id: int, source: str) -> Any:
        """Return a source's own id of one of its classes.

        Args:
            class_id: this dataset's id.
            source: name of the source that the class must come from.

        Raises:
            ValueError: there is no such class, or it comes from another source.
        """
        if not 0 <= class_id < len(self.class_info):
            raise ValueError(f"Class id {class_id} is out of range; the dataset has {len(self.class_info)} classes.")
        info = self.class_info[class_id]
        if info["source"] != source:
            raise ValueError(f"Class {class_id} ({info['name']}) comes from {info['source']!r}, not from {source!r}.")
        return info["id"]

    def source_image_link(self, image_id: int) -> str | None:
        """Return the path or link of an image."""
        return self._info(image_id)["path"]

    def load_image(self, image_id: int) -> np.ndarray:
        """Read an image; override it for images that are not files.

        Args:
            image_id: 0…num_images - 1.

        Returns:
            [H, W, channels] upright, uint8 RGB usually; see `reading` for what becomes what.

        Raises:
            ValueError: the image has no path, or its file holds no image.
            FileNotFoundError: there is no such file.
        """
        path = self._info(image_id)["path"]
        if path is None:
            raise ValueError(
                f"Image {image_id} ({self.image_info[image_id]['id']!r}) has no path. Give add_image a path, or "
                "override load_image."
            )
        return images.read(path, self.channels)

    def load_mask(self, image_id: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the instances of an image; override it, or `load_rles`.

        Args:
            image_id: 0…num_images - 1.

        Returns:
            masks [H, W, N] (bool, or numbers whose non-zeros are mask) and class ids [N] (negative for a crowd); those of
            `load_rles`, or none.
        """
        found = self.load_rles(image_id)
        if found is not None:
            return rle.decode_coco(found[0]), np.asarray(found[1])
        logger.warning("load_mask is not overridden in %s: image %s has no instances.", type(self).__name__, image_id)
        return np.empty((0, 0, 0), bool), np.empty((0,), np.int32)

    def load_rles(self, image_id: int) -> tuple[Sequence[dict[str, Any]], np.ndarray] | None:
        """Return the instances of an image as run lengths, from which training makes masks of its own size at once.

        Override it in place of `load_mask` where photos are large: 100 masks of 4,000 x 3,000 pixels are 1.2 GB as planes.

        Args:
            image_id: 0…num_images - 1.

        Returns:
            N COCO encodings {"size": [H, W], "counts": …} (`mrcnn.ops.rle` makes them) and class ids [N]; None, as here:
            `load_mask` is asked.
        """
        return None

    def load_attributes(self, image_id: int) -> np.ndarray | None:
        """Return which attributes the instances of an image have; override it to train them (Config.NUM_ATTRIBUTES).

        Args:
            image_id: 0…num_images - 1.

        Returns:
            [N, len(attribute_names)]: a row for each instance that `load_mask` returns, in its order; 1 it has the attribute,
            0 it has not, -1 nobody knows (`mrcnn.data.attributes.table` makes it of lists). None, as here: nothing is known.
        """
        return None

    def mask_orientation(self, image_id: int) -> int:
        """Return the EXIF orientation by which masks have still to be turned: 1, not at all, unless `mask_frame` is "stored".

        Args:
            image_id: 0…num_images - 1.

        Raises:
            ValueError: mask_frame is neither, or the image has no file that could tell.
        """
        info = self._info(image_id)
        frame = info.get("mask_frame", self.mask_frame)
        if frame == "upright":
            return 1
        if frame != "stored" or info["path"] is None:
            came = f"mask_frame is {frame!r}" if frame != "stored" else "mask_frame is 'stored', but there is no path"
            raise ValueError(f'Image {image_id} ({info["id"]!r}): {came}; "upright" is expected, or "stored" and an image file.')
        return reading.header(info["path"]).orientation

    def image_class_ids(self, image_id: int) -> np.ndarray:
        """Return the class of each instance of an image: [N] int, negative for a crowd.

        Splits and repeat factors ask it of every image. Here it reads the masks; override it where the classes can be
        had without. It may name an instance that `load_mask` leaves out as too small to show.

        Args:
            image_id: 0…num_images - 1.
        """
        found = rles_of(self, image_id)
        return np.asarray((self.load_mask(image_id) if found is None else found)[1])

    def subset(self, image_ids: Sequence[int] | np.ndarray) -> Subset:
        """Return some of the images as a data set of their own, prepared, with the same classes and class ids.

        Args:
            image_ids: [M] ids of this data set, each once; the subset numbers them 0…M - 1 in this order.

        Raises:
            KeyError: this data set is not prepared.
            ValueError: an id is out of range, or comes twice.

        >>> photos = Dataset()
        >>> for name in "abc":
        ...     photos.add_image("fashion", name, path=f"{name}.jpg")
        >>> photos.prepare()
        >>> some = photos.subset([2, 0])
        >>> some.image_ids.tolist(), some.source_image_link(0)
        ([0, 1], 'c.jpg')
        """
        return Subset(self, image_ids)

    def _info(self, image_id: int) -> dict[str, Any]:
        """Return the entry of an image."""
        if not 0 <= image_id < len(self.image_info):
            raise ValueError(f"Image id {image_id} is out of range; the dataset has {len(self.image_info)} images.")
        return self.image_info[image_id]

    def _prepared(self, attribute: str) -> Any:
        """Return an attribute that `prepare` makes."""
        if not hasattr(self, attribute):
            raise KeyError(
                "The dataset is not prepared: call dataset.prepare() after the last add_class and add_image."
            )
        return getattr(self, attribute)

    @staticmethod
    def _clean_name(name: str) -> str:
        """Shorten a name such as "shirt, blouse" for display."""
        return ",".join(str(name).split(",")[:1])


class Subset(Dataset):
    """Some images of a data set, as a view: `load_image` and `load_mask` are the whole data set's, asked with its own ids.

    So a subclass that keeps more than `image_info` (annotations by image id, a cache) works without change, and subsets
    share what it keeps. Classes are those of the whole, with the same ids, also where the subset shows none of them.

    Attributes:
        whole: the data set it is a part of.
        whole_ids: [num_images] int64, the id of each image there.
    """

    def __init__(self, whole: Dataset, image_ids: Sequence[int] | np.ndarray) -> None:
        """See `Dataset.subset`."""
        super().__init__()
        count = len(whole._prepared("class_from_source_map") and whole.image_ids)
        ids = np.asarray(image_ids)
        if ids.ndim != 1 or (ids.size and ids.dtype.kind not in "iu"):
            raise ValueError(f"A subset takes a list of image ids; got {ids.dtype} of shape {ids.shape}.")
        if ids.size and not (0 <= ids.min() and ids.max() < count):
            raise ValueError(f"Image ids of a subset go from 0 to {count - 1}; got {ids.min()} to {ids.max()}.")
        if len(np.unique(ids)) != len(ids):
            raise ValueError(f"An image comes twice in the subset of {len(ids)} images; name each id once.")
        self.whole, self.whole_ids = whole, ids.astype(np.int64)
        self.class_info = [dict(info) for info in whole.class_info]
        self.attribute_names = dict(getattr(whole, "attribute_names", {}))
        self.image_info = [whole.image_info[i] for i in self.whole_ids]
        self.prepare()

    def __setattr__(self, name: str, value: Any) -> None:
        """Refuse what would have no effect: files are read and masks turned by the whole."""
        if name in ("channels", "mask_frame"):
            raise ValueError(f"{name} is the whole data set's: set it there, before or after the subset is taken.")
        super().__setattr__(name, value)

    def add_image(self, source: str, image_id: Any, path: str | None, **kwargs: Any) -> None:
        """Refuse: a subset shows images of the whole only."""
        raise ValueError("A subset takes no new images: add them to the whole data set, prepare it, and take the subset anew.")

    def add_class(self, source: str, class_id: int | str, class_name: str) -> None:
        """Refuse: class ids are those of the whole."""
        raise ValueError("A subset takes no new classes: add them to the whole data set, prepare it, and take the subset anew.")

    def load_image(self, image_id: int) -> np.ndarray:
        """As the whole's."""
        return self.whole.load_image(self._whole_id(image_id))

    def load_mask(self, image_id: int) -> tuple[np.ndarray, np.ndarray]:
        """As the whole's."""
        return self.whole.load_mask(self._whole_id(image_id))

    def load_rles(self, image_id: int) -> tuple[Sequence[dict[str, Any]], np.ndarray] | None:
        """As the whole's."""
        return rles_of(self.whole, self._whole_id(image_id))

    def load_attributes(self, image_id: int) -> np.ndarray | None:
        """As the whole's."""
        return self.whole.load_attributes(self._whole_id(image_id))

    def mask_orientation(self, image_id: int) -> int:
        """As the whole's."""
        return self.whole.mask_orientation(self._whole_id(image_id))

    def image_class_ids(self, image_id: int) -> np.ndarray:
        """As the whole's."""
        return self.whole.image_class_ids(self._whole_id(image_id))

    def image_reference(self, image_id: int) -> Any:
        """As the whole's."""
        return self.whole.image_reference(self._whole_id(image_id))

    def source_image_link(self, image_id: int) -> str | None:
        """As the whole's."""
        return self.whole.source_image_link(self._whole_id(image_id))

    def _whole_id(self, image_id: int) -> int:
        self._info(image_id)  # refuses ids out of range
        return int(self.whole_ids[image_id])


def rles_of(dataset: Any, image_id: int) -> tuple[Sequence[dict[str, Any]], np.ndarray] | None:
    """Return what `load_rles` returns, or None where `load_mask` has the last word.

    It has where a class, or the object itself, overrides it nearer than `load_rles`: somebody changed the masks of a
    reader, say.

    Args:
        dataset: prepared.
        image_id: 0…dataset.num_images - 1.
    """
    for names in (vars(dataset), *(vars(owner) for owner in type(dataset).__mro__)):
        if "load_rles" in names:
            return dataset.load_rles(image_id)
        if "load_mask" in names:
            return None
    return None
