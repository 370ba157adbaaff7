"""What else is said of an instance than its class: attributes, any number of them, such as "striped" and "long".

A data set names its attributes in `attribute_names`, {the source's own id: name}; their order is that of the columns here
and of the network's answers. `load_attributes` says for each instance which of them it has, has not, or may have:

    1 it has the attribute, 0 it has not, -1 (UNKNOWN) nobody has looked: such an entry trains nothing and counts nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

HAS, HAS_NOT, UNKNOWN = 1, 0, -1


def table(of_instances: Sequence[Iterable[Any] | None], ids: Sequence[Any]) -> np.ndarray:
    """Return lists of attributes as numbers, a row an instance and a column an attribute.

    Args:
        of_instances: the ids of the attributes that each instance has; None where its attributes are unknown.
        ids: all attributes, `list(dataset.attribute_names)` usually. Others are left out.

    Returns:
        [N, A] int8: HAS, HAS_NOT or UNKNOWN.

    >>> table([(12, 44), (), None], [12, 30, 44]).tolist()
    [[1, 0, 1], [0, 0, 0], [-1, -1, -1]]
    """
    columns = {one: column for column, one in enumerate(ids)}
    found = np.zeros((len(of_instances), len(columns)), np.int8)
    for row, given in zip(found, of_instances, strict=True):
        if given is None:
            row[:] = UNKNOWN
        else:
            row[[columns[one] for one in given if one in columns]] = HAS
    return found


def load(dataset: Any, image_id: int, num_instances: int, num_attributes: int) -> np.ndarray:
    """Load the attributes of an image's instances, in the order of `load_mask`, checked.

    Args:
        dataset: prepared dataset. One that says nothing of attributes has unknown ones.
        image_id: 0…dataset.num_images - 1.
        num_instances: N, that `load_mask` returned.
        num_attributes: A. 0: nothing is asked.

    Returns:
        [N, A] int8.

    Raises:
        ValueError: another shape, or values other than 1, 0 and -1.
    """
    given = dataset.load_attributes(image_id) if num_attributes and hasattr(dataset, "load_attributes") else None
    if given is None:
        return np.full((num_instances, num_attributes), UNKNOWN, np.int8)
    found = np.asarray(given)
    if not num_instances and not found.size:
        return np.zeros((0, num_attributes), np.int8)
    if found.shape != (num_instances, num_attributes):
        raise ValueError(
            f"Image {image_id}: load_attributes returned shape {found.shape}; [{num_instances} instances, {num_attributes} attributes] is "
            "expected, a row for each instance that load_mask returns, in its order."
        )
    if not np.isin(found, (HAS, HAS_NOT, UNKNOWN)).all():
        raise ValueError(f"Image {image_id}: load_attributes returned other values than 1 (has), 0 (has not) and -1 (unknown).")
    return found.astype(np.int8)


def require(dataset: Any, num_attributes: int) -> None:
    """Refuse a data set from which attributes can't be learned.

    Args:
        dataset: prepared dataset; asked for the attributes of one image after the other until some are known.
        num_attributes: Config.NUM_ATTRIBUTES; 0: none are to be learned, and nothing is asked for.

    Raises:
        ValueError: it names another number of attributes, or knows none of any instance.
    """
    if not num_attributes:
        return
    names = getattr(dataset, "attribute_names", None) or {}
    if len(names) != num_attributes:
        raise ValueError(
            f"The dataset names {len(names)} attributes, but NUM_ATTRIBUTES is {num_attributes}. Set NUM_ATTRIBUTES = {len(names)}"
            + (", or check dataset.attribute_names." if names else ": no attribute head. Or name them in dataset.attribute_names.")
        )
    reasons: list[str] = []
    for image_id in dataset.image_ids:
        try:
            given = dataset.load_attributes(int(image_id)) if hasattr(dataset, "load_attributes") else None
        except Exception as error:  # whatever a user's method raises: the loader skips the image and counts it
            reasons.append(f"image {image_id}: {type(error).__name__}: {error}")
            continue
        if given is not None and (np.asarray(given) != UNKNOWN).any():
            return
    raise ValueError(
        f"NUM_ATTRIBUTES is {num_attributes}, but no instance of {len(dataset.image_ids)} images has known attributes. Override load_attributes"
        + (f": it failed for {len(reasons)} images, first {reasons[0]}" if reasons else ", or set NUM_ATTRIBUTES = 0.")
    )
