"""One format into another: what `python -m mrcnn convert` does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from mrcnn.data import formats
from mrcnn.data.formats import writing
from mrcnn.data.merged import merge


def convert(
    sources: Sequence[str],
    target: str,
    read_as: str,
    write_as: str,
    *,
    images: str | None = None,
    classes: Sequence[str] = (),
    options: Sequence[str] = (),
    strict: bool = False,
    keep_missing: bool = False,
    overwrite: bool = False,
) -> str:
    """Read one or more sources of a format and write them as one data set of another.

    Args:
        sources: files or folders. Classes of one name in several are one class.
        target: file or folder to make.
        read_as: format of the sources, one of `formats.FORMATS`.
        write_as: format to write, one of `formats.WRITERS`.
        images: folder of the photos, where the format doesn't have them in their usual place.
        classes: "NAME" or "NAME=NEW NAME" of those to take, in this order; none takes all.
        options: "NAME=VALUE" for the reader or the writer, values in JSON or as text.
        strict: the first broken annotation is an error.
        keep_missing: keep images whose photo isn't there.
        overwrite: replace the target.

    Returns:
        What was written, in words.

    Raises:
        ValueError, OSError: as `formats.load` and `formats.save`.
    """
    given = read_options(options)
    accepted = formats.options_of(formats.WRITERS, write_as)
    writing.refuse_existing(target, overwrite)  # before minutes of reading
    chosen = read_classes(classes)
    own = {name: value for name, value in given.items() if name in accepted}
    rest = {name: value for name, value in given.items() if name not in own}
    parts = [
        formats.load(read_as, source, images=images, classes=chosen, strict=strict, keep_missing=keep_missing, **rest) for source in sources
    ]
    dataset = parts[0] if len(parts) == 1 else merge(parts)
    written = formats.save(write_as, dataset, target, overwrite=overwrite, **own)
    lines = [f"{target}: {written.images} images, {written.instances} instances; classes: {dataset.num_classes - 1}"]
    lines += [f"  {info['name']}: {written.counts[class_id]}" for class_id, info in enumerate(dataset.class_info) if class_id]
    folder = writing.common_folder(dataset)
    if folder is not None and own.get("photos_as", "leave") == "leave":
        lines.append(f"Photos: {folder}")
    return "\n".join(lines)


def read_options(texts: Sequence[str]) -> dict[str, Any]:
    """Return {name: value} of "NAME=VALUE" from the command line, values in JSON or as text.

    Raises:
        ValueError: a text is not of that form.

    >>> read_options(["class_name=nucleus", "first_pixel=0"])
    {'class_name': 'nucleus', 'first_pixel': 0}
    """
    found = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise ValueError(f"--option {text!r}: NAME=VALUE is expected, such as class_name=nucleus.")
        try:
            found[name] = json.loads(value)
        except json.JSONDecodeError:
            found[name] = value
    return found


def read_classes(texts: Sequence[str]) -> dict[str, str] | None:
    """Return {source name: our name} of "NAME" or "NAME=NEW NAME" from the command line; None of none, which takes all.

    >>> read_classes(["cat", "puppy=dog"])
    {'cat': 'cat', 'puppy': 'dog'}
    """
    pairs = (text.partition("=") for text in texts)
    return {old: new if sign else old for old, sign, new in pairs} or None
