"""FormatDataset: the Dataset that `load` makes of a reader's findings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mrcnn.data import attributes
from mrcnn.data.dataset import Dataset
from mrcnn.data.formats import photos, shapes
from mrcnn.data.formats.parsed import Instance, Parsed, Photo, Report
from mrcnn.ops import rle

Classes = Sequence[str] | Mapping[str, str] | Dataset | None


class FormatDataset(Dataset):
    """Photos and instances that a format's files describe. Masks are decoded in `load_mask`, and never kept.

    `image_info` of a photo holds, besides the usual: height, width, name (that the file gives it), file (which describes it) and instances, a list of
    `parsed.Instance` whose labels are the class ids of the photo's source.

    Attributes of instances are what the files list: an instance that lists none has none where another of its photo does,
    and unknown ones on a photo where no instance lists any (iMaterialist labelled a part of its photos with attributes).

    Attributes:
        report: what the reader left out or changed.
        attribute_names: {id: name} of what instances' attributes mean, where the source says so.
    """

    report: Report
    attribute_names: dict[int, str]
    _seen: dict[int, np.ndarray]  # [instances] bool of the photos decoded so far: which had a pixel

    def fill(
        self, found: Parsed, report: Report, source: str, classes: Classes = None, folders: Sequence[str] = (), keep_missing: bool = False
    ) -> None:
        """Add what a reader found; then call prepare().

        Args:
            found: photos and instances.
            report: goes on counting, and is told in the log.
            source: name of the source in the data set.
            classes: see `mrcnn.data.formats.load`, as keep_missing.
            folders: where to look for photos, instead of the reader's own.
            keep_missing: keep images whose photo isn't there but whose size is known.

        Raises:
            FileNotFoundError: none of the photos is there.
            ValueError: a class is unknown, or every annotation broken.
        """
        self.report, self.attribute_names, self._seen = report, dict(found.attributes), {}
        names = found.labels if found.labels is not None else _discovered(found.photos)
        chosen, table = _chosen(names, found.labels is not None, classes, report)
        for class_id, name in table:
            self.add_class(source, class_id, name)
        places, absent = list(folders or found.folders), 0
        for photo in found.photos:
            path = photo.path or photos.find(photo.name, places)
            if path is None and not (keep_missing and photo.size):
                report.missing.append(photo.name)
                absent += 1
                continue
            size = photo.size or _size(path, report)
            if size is not None:
                kept = _kept(photo, size, names, chosen, found.attributes, report)
                self.add_image(source, photo.id, path, height=size[0], width=size[1], name=photo.name, file=photo.file, instances=kept)
        if absent and not self.image_info:
            where = ", ".join(dict.fromkeys(places)) or f"the folder of {found.photos[0].file}"
            raise FileNotFoundError(
                f"None of the {absent} photos of {report.path} (such as {report.missing[0]}) is in {where}. Say where they are: images=FOLDER in "
                "Python, --images FOLDER on the command line."
            )
        report.say()

    def load_image(self, image_id: int) -> np.ndarray:
        """Read a photo: [H, W, 3] uint8 RGB, upright.

        Raises:
            FileNotFoundError: it isn't there.
            ValueError: it can't be read, or its size isn't the one that its masks have. (Where they were drawn on a photo
                that its EXIF tag turns by a quarter, without turning it, whoever puts the two together has to refuse.)
        """
        info, image = self._info(image_id), super().load_image(image_id)
        size = (info["height"], info["width"])
        if image.shape[:2] not in (size, size[::-1]) or (image.shape[:2] != size and not photos.on_its_side(info["path"])):
            raise ValueError(
                f"{info['path']} is {image.shape[0]} px high and {image.shape[1]} wide, but {info['file']} says Height "
                f"{info['height']}, Width {info['width']}: the masks would not fit. Replace the photo or correct the file."
            )
        return image

    def load_mask(self, image_id: int) -> tuple[np.ndarray, np.ndarray]:
        """Decode the instances of a photo: masks [H, W, N] bool and class ids [N] int32, negative for crowds.

        An instance without a pixel is left out.

        Raises:
            ValueError: a mask is broken; names file and entry.
            FileNotFoundError: the file of a mask has gone.
        """
        info = self._info(image_id)
        # A plane lies in one piece, and what no mask touches costs no memory.
        planes = np.zeros((len(info["instances"]), *self.mask_size(info)), bool)
        seen = np.array(self._each(lambda shape, files, place: self.paint(shape, info, planes[place], files), info), bool)
        self._seen[image_id] = seen
        return np.moveaxis(planes if seen.all() else planes[seen], 0, -1), self.image_class_ids(image_id)[seen]

    def load_rles(self, image_id: int) -> tuple[list[dict[str, Any]], np.ndarray]:
        """As `load_mask`, with the masks as COCO run lengths; outlines and run-length texts never become planes.

        Returns:
            N encodings {"size": [H, W], "counts": bytes}, and class ids [N] int32.
        """
        info = self._info(image_id)
        encoded = self._each(lambda shape, files, place: self.encode(shape, info, files), info)
        self._seen[image_id] = seen = rle.area_coco(encoded) > 0
        return [one for one, some in zip(encoded, seen, strict=True) if some], self.image_class_ids(image_id)[seen]

    def image_class_ids(self, image_id: int) -> np.ndarray:
        """Return the class of each instance without decoding one: [N] int32, negative for crowds."""
        info = self._info(image_id)
        ids = [self.map_source_class_id(f"{info['source']}.{one.label}") * (-1 if one.crowd else 1) for one in info["instances"]]
        return np.array(ids, np.int32)

    def load_attributes(self, image_id: int) -> np.ndarray | None:
        """Return which attributes the instances have: [N, len(attribute_names)] int8, see `mrcnn.data.attributes`; None: unknown.

        Raises:
            ValueError, FileNotFoundError: as `load_mask`.
        """
        info = self._info(image_id)
        if not self.attribute_names or not any(one.attributes for one in info["instances"]):
            return None
        if image_id not in self._seen:
            self.load_rles(image_id)
        return attributes.table([one.attributes for one in info["instances"]], list(self.attribute_names))[self._seen[image_id]]

    def image_reference(self, image_id: int) -> str:
        """Return the photo's path, or its name where it has none."""
        info = self._info(image_id)
        return info["path"] or str(info["id"])

    def mask_size(self, info: dict[str, Any]) -> tuple[int, int]:
        """Return (height, width) of the masks of a photo; override it, with `paint` and `encode`, where that isn't the photo's."""
        return info["height"], info["width"]

    def paint(self, shape: shapes.Shape, info: dict[str, Any], plane: np.ndarray, files: dict[str, np.ndarray]) -> bool:
        """Decode an instance into a plane [H, W] of False, and tell whether it has any pixel."""
        return shapes.paint(shape, plane, files)

    def encode(self, shape: shapes.Shape, info: dict[str, Any], files: dict[str, np.ndarray]) -> dict[str, Any]:
        """Return an instance as COCO run lengths."""
        return shapes.encode(shape, *self.mask_size(info), files)

    def _each(self, convert: Callable, info: dict[str, Any]) -> list[Any]:
        """Convert the instances of a photo, by convert(shape, files, place), and say which one can't be."""
        found, files = [], {}
        for place, instance in enumerate(info["instances"]):
            try:
                found.append(convert(instance.shape, files, place))
            except (ValueError, FileNotFoundError) as error:
                raise type(error)(f"{info['file']}, {instance.entry}: {error}") from error
        return found


def _discovered(found: Sequence[Photo]) -> dict[str, str]:
    labels = {instance.label for photo in found for instance in photo.instances}
    return {label: str(label) for label in sorted(labels, key=str)}


def _chosen(
    names: Mapping[Any, str], listed: bool, classes: Classes, report: Report
) -> tuple[dict[Any, Any], list[tuple[Any, str]]]:
    """Map a source's classes to those wanted.

    Args:
        names: {label: name}.
        listed: the source lists its classes, so that a name not among them is a slip.
        classes: what is wanted.
        report: for the path in messages.

    Returns:
        {label: class id}, and the classes as (id, name) in their order.
    """
    if classes is None:
        ids = {label: label if isinstance(label, int) else number for number, label in enumerate(names, start=1)}
        return ids, [(ids[label], name) for label, name in names.items()]
    if isinstance(classes, str):
        raise ValueError(f"classes={classes!r}: a list of names is expected, such as [{classes!r}].")
    known = ", ".join(names.values()) or "none"
    if isinstance(classes, Dataset):
        table = [(info["id"], info["name"]) for info in classes.class_info[1:]]
        ids = {name: class_id for class_id, name in table}
        report.absent = [name for name in ids if name not in names.values()]
        if names and len(report.absent) == len(ids):
            raise ValueError(
                f"{report.path} has none of the classes of the data set given as classes ({', '.join(ids) or 'none'}). It has: {known}. Read it "
                "with the options that gave that one its names (class_name, say), or rename its classes: classes={its name: their name}."
            )
        return {label: ids[name] for label, name in names.items() if name in ids}, table
    if not len(classes):
        raise ValueError(f"classes={classes!r} takes no class of {report.path}. It has: {known}. None takes all.")
    renamed = dict(classes) if isinstance(classes, Mapping) else {name: name for name in classes}
    wanted = {label: renamed[key] for label, name in names.items() if (key := _key(name, renamed)) is not None}
    unknown = [key for key in renamed if not any(_key(name, [key]) is not None for name in names.values())]
    if unknown and (listed or not wanted):
        raise ValueError(f"{report.path} has no class {', '.join(map(repr, unknown))}. It has: {known}.")
    report.absent = unknown
    ids: dict[str, Any] = {}
    for name in renamed.values():
        first = next((label for label, ours in wanted.items() if ours == name), None)
        ids.setdefault(name, first if isinstance(first, int) else len(ids) + 1)
    return {label: ids[name] for label, name in wanted.items()}, [(class_id, name) for name, class_id in ids.items()]


def _key(name: str, wanted: Any) -> str | None:
    """Return the name by which a class is asked for: the whole, or the part before the comma that pictures show."""
    short = name.split(",")[0]
    return name if name in wanted else short if short in wanted else None


def _size(path: str, report: Report) -> tuple[int, int] | None:
    try:
        return photos.size(path)
    except (ValueError, OSError) as error:
        report.unreadable.append(str(error))
        return None


def _kept(
    photo: Photo, size: tuple[int, int], names: Mapping[Any, str], chosen: Mapping[Any, Any], described: Mapping[int, str], report: Report
) -> list[Instance]:
    """Return the instances of a photo that are wanted and have a part inside it."""
    kept = []
    for instance in photo.instances:
        if instance.label not in names:
            report.bad(photo.file, instance.entry, f"class {instance.label!r} is not among the {len(names)} that are named")
        elif instance.label not in chosen:
            report.other_classes[names[instance.label]] += 1
        else:
            leaves = shapes.leaves(instance.shape, *size)
            if leaves and shapes.beside(instance.shape, *size):
                report.outside.append(report.where(photo.file, instance.entry))
                continue
            if leaves:
                report.clipped.append(report.where(photo.file, instance.entry))
            if described and any(one not in described for one in instance.attributes):
                report.notes[f"instances have attributes that are not among the {len(described)} described, which train nothing"] += 1
            kept.append(instance._replace(label=chosen[instance.label]))
    return kept
