"""Finding: one thing that is wrong with data, configuration or weights, where, how bad, and what to set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

#: How bad: with an error training makes no sense until it is mended; with a warning it works and its result suffers; a
#: note is worth knowing.
SEVERITIES = ("error", "warning", "note")
#: Images or instances that training leaves out are an error from this share on, a warning below.
LOST_SHARE = 0.1
EXAMPLES = 5
_NAME_WIDTH = 32  # letters of a class's name in a table


@dataclass(frozen=True)
class Finding:
    """What was found.

    Attributes:
        check: name of the check, "masks.empty" say: the part of the input, and what is wrong with it.
        severity: one of `SEVERITIES`.
        what: what is so, a sentence with numbers.
        advice: what to do or to set.
        subset: "training", "validation", or "" where it concerns neither alone.
        image_ids: all images that show it, ids of the subset's data set.
        examples: some places, in words.
        instances: {image id: places of the instances in `load_mask`'s result} that pictures should show; empty for all.
        beside: {image id of validation: image id of training} that pictures should show beside one another.
    """

    check: str
    severity: str
    what: str
    advice: str
    subset: str = ""
    image_ids: tuple[int, ...] = ()
    examples: tuple[str, ...] = ()
    instances: dict[int, tuple[int, ...]] = field(default_factory=dict)
    beside: dict[int, int] = field(default_factory=dict)

    def __str__(self) -> str:
        head = f"{self.severity.upper():8}{self.check}" + (f" ({self.subset})" if self.subset else "")
        lines = [head, f"  {self.what}"]
        if self.examples:
            more = max(len(self.image_ids), len(self.examples)) - EXAMPLES
            lines.append("  Where: " + "; ".join(self.examples[:EXAMPLES]) + (f"; and {more} more" if more > 0 else ""))
        return "\n".join([*lines, f"  Do: {self.advice}"])


def by_share(count: int, total: int, limit: float = LOST_SHARE) -> str:
    """Return "error" where a share of the total reaches a limit, else "warning".

    >>> by_share(1, 50), by_share(5, 50)
    ('warning', 'error')
    """
    return "error" if count >= limit * total else "warning"


def of(count: int, total: int, what: str) -> str:
    """Return "3 of 40 images (7.5 %)".

    >>> of(3, 40, "images")
    '3 of 40 images (7.5 %)'
    """
    return f"{count} of {total} {what} ({100 * count / max(1, total):.1f} %)"


def ranked(found: Sequence[Finding]) -> list[Finding]:
    """Sort findings, the worst first, otherwise in their order."""
    return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))


def class_names(dataset: Any) -> list[str]:
    """Return the classes' names for people: whole, where `Dataset.class_names` ends at the first comma; long ones are cut with ….

    >>> from mrcnn.data.dataset import Dataset
    >>> shop = Dataset()
    >>> shop.add_class("shop", 1, "shirt, blouse")
    >>> class_names(shop)
    ['BG', 'shirt, blouse']
    """
    names = [str(info["name"]) for info in dataset.class_info]
    return [name if len(name) <= _NAME_WIDTH else f"{name[: _NAME_WIDTH - 1]}…" for name in names]
