"""What a weight file gave to a network, and what is left at random."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mrcnn.weights import names

_STAGES = tuple(f"stage {stage}" for stage in range(1, 6))
_GROUPS = (*_STAGES, "backbone", "FPN", "RPN", "class and box head", "mask head", "attribute head", "other layers")
_NAMED = 4


@dataclass(frozen=True)
class LoadReport:
    """The network's weighted layers by what became of them, each in file order.

    Attributes:
        path: the file.
        loaded: layers whose every weight came from the file.
        missing_in_file: layers of the network that the file lacks; they keep their values.
        excluded: layers of the network that the caller excluded, in whole or in part; these keep their values.
        unused_in_file: layers of the file that the network lacks.
    """

    path: str
    loaded: tuple[str, ...]
    missing_in_file: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    unused_in_file: tuple[str, ...] = ()

    @property
    def not_loaded(self) -> tuple[str, ...]:
        """The layers that keep the values they had: random ones in a new network."""
        return self.missing_in_file + self.excluded


def describe(report: LoadReport | None) -> str:
    """Say in one to three lines which layers came from the file and which are random.

    Args:
        report: what a loader returned for a newly built network; None where nothing was loaded.

    Example:
        >>> print(describe(LoadReport("coco.h5", ("conv1", "mrcnn_mask_conv1", "mrcnn_mask_conv2"), (), ("mrcnn_mask",))))
        From coco.h5: stage 1, mask head without mrcnn_mask (3 of 4 layers).
        Random: mrcnn_mask.
    """
    if report is None:
        return "No weight file: every layer starts at random."
    everything = report.loaded + report.not_loaded
    file = os.path.basename(report.path)
    count = f"{len(report.loaded)} of {len(everything)} layers"
    lines = [f"From {file}: {_phrase(report.loaded, everything)} ({count})."]
    if report.not_loaded:
        lines.append(f"Random: {_phrase(report.not_loaded, everything)}.")
    if report.unused_in_file:
        lines.append(f"In the file but not in this network: {_few(report.unused_in_file)}.")
    return "\n".join(lines)


def _phrase(chosen: Sequence[str], everything: Iterable[str]) -> str:
    """Name a set of layers by the parts of the network that it fills."""
    members: dict[str, list[str]] = {}
    for name in everything:
        members.setdefault(names.group_of(name), []).append(name)
    chosen_set = set(chosen)
    whole, partial = [], []
    for group in _GROUPS:
        inside = [name for name in members.get(group, ()) if name in chosen_set]
        outside = [name for name in members.get(group, ()) if name not in chosen_set]
        if inside and not outside:
            whole.append(group)
        elif inside:
            short = len(outside) < len(inside)
            partial.append(f"{group} without {_few(outside)}" if short else _few(inside))
    present = [stage for stage in _STAGES if stage in members]
    return ", ".join(_merge_stages(whole, present) + partial) or "nothing"


def _merge_stages(groups: list[str], present: list[str]) -> list[str]:
    """Write stages 1, 2, 3 as a range, and all that the network has as the backbone."""
    stages = [group for group in groups if group in _STAGES]
    rest = [group for group in groups if group not in _STAGES]
    if len(stages) < 2:
        return stages + rest
    if stages == present and len(stages) > 2:
        return ["backbone", *(group for group in rest if group != "backbone")]
    numbers = [int(stage[-1]) for stage in stages]
    if numbers == list(range(numbers[0], numbers[-1] + 1)):
        return [f"stages {numbers[0]}-{numbers[-1]}", *rest]
    return stages + rest


def _few(layers: Sequence[str]) -> str:
    if len(layers) <= _NAMED:
        return ", ".join(layers)
    return f"{', '.join(layers[: _NAMED - 1])} and {len(layers) - _NAMED + 1} more"
