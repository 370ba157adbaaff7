"""Where detection lost what, as data and as words. Made by `inference.explain`; nothing is computed here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

#: The stages of detection in their order, and what people call them.
TITLES = {
    "anchors": "anchors", "rpn_box": "RPN box", "rpn_rank": "RPN score rank", "proposal_nms": "proposal NMS", "proposal_count": "proposal count",
    "class": "class arg-max", "box": "box refinement", "confidence": "confidence", "class_nms": "class NMS", "max_count": "maximum count",
    "area": "area", "found": "found",
}  # fmt: skip
STAGES = tuple(TITLES)

Names = Sequence[str] | None


@dataclass(frozen=True)
class Fate:
    """What became of one object.

    Attributes:
        place: (y1, x1, y2, x2) or (y, x), pixels of the photo.
        class_id: The object's class; None where it was not said.
        stage: One of STAGES: where the last box that covered it was lost, or "found".
        numbers: What was measured there; the keys depend on the stage and are those that `why` shows. Overlaps are IoU with the object, or 1 for a
            box that holds the clicked point.
    """

    place: tuple[float, ...]
    class_id: int | None
    stage: str
    numbers: dict[str, Any]

    @property
    def found(self) -> bool:
        """Whether a detection shows it."""
        return self.stage == "found"

    def why(self, class_names: Names = None) -> str:
        """Say in a sentence or two what happened.

        Args:
            class_names: Name of each class id, background first; None: ids are shown.
        """
        text = _WHY[self.stage](self.numbers, lambda class_id: _name(class_id, class_names))
        text = text.replace("IoU 1.00", "it holds the point") if len(self.place) == 2 else text
        if "other_detection" in self.numbers:
            n = self.numbers
            text += f" Detection {n['other_detection']} covers it as {_name(n['other_class_id'], class_names)}, score {n['other_score']:.3f}."
        return text

    @property
    def advice(self) -> str:
        """What to set or do; empty where the object was found."""
        return _ADVICE[self.stage](self.numbers)

    def title(self, class_names: Names = None) -> str:
        """Name the object by class and place."""
        kind = "box" if len(self.place) == 4 else "point"
        where = ", ".join(f"{side:g}" for side in self.place)
        return f"{kind if self.class_id is None else _name(self.class_id, class_names)} at ({where})"


@dataclass(frozen=True)
class Count:
    """How many boxes were left after a stage, and what limits it: `stage` one of STAGES, `note` for people."""

    stage: str
    left: int
    note: str = ""


@dataclass(frozen=True)
class Explanation:
    """What detection did with one photo.

    Attributes:
        image_shape: (H, W) of the photo.
        network_shape: (H, W) of the network's input.
        counts: Boxes left after each stage.
        numbers: best_rpn_score, best_object_score (of any class but background), best_winner_score (where such a class won; None where none did),
            with best_winner_class_id and min_confidence.
        fates: What became of each object that was asked for, in order.
        random_layers: Layers that were never loaded or trained.
        not_finite: Scores that are no numbers, as a network with nan weights gives them.
    """

    image_shape: tuple[int, int]
    network_shape: tuple[int, int]
    counts: tuple[Count, ...]
    numbers: dict[str, Any]
    fates: tuple[Fate, ...] = ()
    random_layers: tuple[str, ...] = ()
    not_finite: int = 0

    @property
    def num_detections(self) -> int:
        """Boxes that are left in the end."""
        return self.counts[-1].left

    @property
    def first_empty(self) -> str | None:
        """The first stage after which nothing is left; None where something was found."""
        return next((count.stage for count in self.counts if not count.left), None)

    @property
    def advice(self) -> str:
        """What to do where nothing was found; empty where something was."""
        if self.random_layers:
            return "Load a trained checkpoint: load_weights(path, by_name=True); heads that were excluded when loading have to be trained first."
        if self.not_finite:
            return "The weights hold nan or inf, or the photo does: load an earlier checkpoint."
        return _NOTHING[self.first_empty](self.numbers) if self.first_empty else ""

    def lost(self) -> dict[str, int]:
        """Number of objects by stage, in the stages' order; those found included."""
        found = [fate.stage for fate in self.fates]
        return {stage: found.count(stage) for stage in STAGES if stage in found}

    def text(self, class_names: Names = None) -> str:
        """Return all of it as text: a table of the stages, then a paragraph for each object.

        Args:
            class_names: Name of each class id, background first; None: ids are shown.
        """
        height, width = self.image_shape
        lines = [f"Photo {height} x {width}, network {self.network_shape[0]} x {self.network_shape[1]}: {self.num_detections} detections", ""]
        lines += [f"{'left after':16} {'boxes':>7}"] + [f"{TITLES[c.stage]:16} {c.left:7}  {c.note}".rstrip() for c in self.counts]
        if self.random_layers or self.not_finite or self.first_empty:
            lines += ["", *self._nothing(class_names)]
        for number, fate in enumerate(self.fates):
            verdict = "found" if fate.found else f"lost at {TITLES[fate.stage]}"
            lines += ["", f"{number}  {fate.title(class_names)}: {verdict}", f"   {fate.why(class_names)}"]
            lines += [f"   -> {fate.advice}"] if fate.advice else []
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.text()

    def _nothing(self, class_names: Names) -> list[str]:
        lines = []
        if self.random_layers:
            some = ", ".join(self.random_layers[:4]) + (f" and {len(self.random_layers) - 4} more" if len(self.random_layers) > 4 else "")
            lines.append(f"Never loaded or trained: {some}. Whatever is found means nothing.")
        if self.not_finite:
            lines.append(f"{self.not_finite} scores are no numbers.")
        if self.first_empty:
            best = self.numbers["best_winner_class_id"]
            which = f"; best score {self.numbers['best_winner_score']:.3f}, {_name(best, class_names)}" if best is not None else ""
            lines.append(f"Nothing found: nothing is left after {TITLES[self.first_empty]}{which}.")
        return lines + ([f"-> {self.advice}"] if self.advice else [])


@dataclass
class Tally:
    """Fates of many photos' objects, counted by class and stage.

    Attributes:
        class_names: Background first.
        by_class: {class id: {stage: objects}}.
        photos: Number of photos counted.
        empty: {stage: photos on which nothing was left after it}.
    """

    class_names: Sequence[str]
    by_class: dict[int, dict[str, int]] = field(default_factory=dict)
    photos: int = 0
    empty: dict[str, int] = field(default_factory=dict)

    def add(self, explanation: Explanation) -> None:
        """Count one photo's."""
        self.photos += 1
        if explanation.first_empty:
            self.empty[explanation.first_empty] = self.empty.get(explanation.first_empty, 0) + 1
        for fate in explanation.fates:
            stages = self.by_class.setdefault(fate.class_id, {})
            stages[fate.stage] = stages.get(fate.stage, 0) + 1

    def __str__(self) -> str:
        stages = [stage for stage in STAGES if any(stage in counts for counts in self.by_class.values())]
        stages.sort(key=lambda stage: stage != "found")
        total = {stage: sum(counts.get(stage, 0) for counts in self.by_class.values()) for stage in stages}
        widths = [max(7, len(TITLES[stage])) for stage in stages]
        lines = [f"{self.photos} photos, {sum(total.values())} objects"]
        if stages:
            lines += ["", f"{'':20} {'objects':>7}  " + "  ".join(f"{TITLES[s]:>{w}}" for s, w in zip(stages, widths, strict=True))]
        for name, counts in [*((self.class_names[i], self.by_class[i]) for i in sorted(self.by_class)), ("all", total)] if stages else []:
            cells = "  ".join(f"{counts.get(s, 0):{w}}" for s, w in zip(stages, widths, strict=True))
            lines.append(f"{name:20} {sum(counts.values()):7}  {cells}")
        if self.empty:
            where = ", ".join(f"{self.empty[stage]} after {TITLES[stage]}" for stage in STAGES if stage in self.empty)
            lines += ["", f"Nothing found on {sum(self.empty.values())} photos: {where}."]
        return "\n".join(lines)


def _name(class_id: int, class_names: Names) -> str:
    return class_names[class_id] if class_names else "background" if class_id == 0 else f"class {class_id}"


def _anchors_why(n: dict[str, Any], name: Callable[[int], str]) -> str:
    if "height" not in n:
        return "No anchor holds the point."
    return (
        f"No anchor overlaps it enough: the best one by {n['best_iou']:.2f}. It is {n['height']:.0f} x {n['width']:.0f} pixels at the network's "
        f"size, that anchor {n['anchor_height']:.0f} x {n['anchor_width']:.0f}."
    )


def _class_nms_why(n: dict[str, Any], name: Callable[[int], str]) -> str:
    by = f"detection {n['detection']}" if n["detection"] is not None else "a better one that is not among the detections"
    return (
        f"Its best candidate ({name(n['class_id'])}, score {n['score']:.3f}, IoU {n['iou']:.2f}) overlaps {by} ({name(n['by_class_id'])}, score "
        f"{n['by_score']:.3f}) by {n['by_iou']:.2f}, more than DETECTION_NMS_THRESHOLD = {n['threshold']:g}. That one "
        + (f"overlaps the object by {n['by_object_iou']:.2f}." if n["by_shows"] is None else f"shows object {n['by_shows']}.")
    )


def _class_why(n: dict[str, Any], name: Callable[[int], str]) -> str:
    wanted = f"{name(n['wanted'])} has {n['wanted_score']:.3f}"
    return f"A proposal covers it (IoU {n['iou']:.2f}), but {name(n['winner'])} won with {n['winner_score']:.3f}; {wanted}."


_WHY: dict[str, Callable[[dict[str, Any], Callable[[int], str]], str]] = {
    "anchors": _anchors_why,
    "rpn_box": lambda n, name: (
        f"An anchor overlaps it by {n['best_anchor_iou']:.2f}, but no box of the RPN reaches 0.5: the best one {n['best_iou']:.2f}."
        if not n["shared"]
        else f"Boxes of the RPN overlap it (best {n['best_iou']:.2f}), but each of them overlaps another object more: it has no box of its own."
    ),
    "rpn_rank": lambda n, name: (
        f"The best anchor whose box covers it (IoU {n['iou']:.2f}) has score {n['score']:.3g} and rank {n['rank']}; PRE_NMS_LIMIT lets {n['limit']} "
        f"take part, down to score {n['last_score']:.3g}."
    ),
    "proposal_nms": lambda n, name: (
        f"Its best box (IoU {n['iou']:.2f}, RPN score {n['score']:.3g}, rank {n['rank']}) overlaps a better proposal by {n['by_iou']:.2f}, more than "
        f"RPN_NMS_THRESHOLD = {n['threshold']:g}; that one overlaps the object by {n['by_object_iou']:.2f}."
    ),
    "proposal_count": lambda n, name: (
        f"Nothing suppresses its best box (IoU {n['iou']:.2f}, RPN score {n['score']:.3g}, rank {n['rank']}), but POST_NMS_ROIS_INFERENCE = "
        f"{n['limit']} better ones were taken before."
    ),
    "class": _class_why,
    "box": lambda n, name: (
        f"A proposal covers it (IoU {n['roi_iou']:.2f}; {name(n['class_id'])}, score {n['score']:.3f}), but the box head moves it to IoU "
        f"{n['iou']:.2f}."
    ),
    "confidence": lambda n, name: (
        f"Its best candidate ({name(n['class_id'])}, IoU {n['iou']:.2f}) has score {n['score']:.3f}, less than DETECTION_MIN_CONFIDENCE = "
        f"{n['min_confidence']:g}."
    ),
    "class_nms": _class_nms_why,
    "max_count": lambda n, name: (
        f"Its best candidate ({name(n['class_id'])}, score {n['score']:.3f}, IoU {n['iou']:.2f}) is number {n['rank']}; DETECTION_MAX_INSTANCES "
        f"takes {n['limit']}."
    ),
    "area": lambda n, name: f"Its detection ({name(n['class_id'])}, score {n['score']:.3f}) has no area left in whole pixels of the photo.",
    "found": lambda n, name: f"Detection {n['detection']}: {name(n['class_id'])}, score {n['score']:.3f}, IoU {n['iou']:.2f}.",
}  # fmt: skip

_TRAIN = "train longer, or with more objects like it"
_ADVICE: dict[str, Callable[[dict[str, Any]], str]] = {
    "anchors": lambda n: (
        "Set RPN_ANCHOR_SCALES or RPN_ANCHOR_RATIOS to such sizes (python -m mrcnn doctor finds them) and train; or raise IMAGE_MIN_DIM and "
        "IMAGE_MAX_DIM if it is too small."
    ),
    "rpn_box": lambda n: f"The RPN has not learned it: {_TRAIN}.",
    "rpn_rank": lambda n: f"Set PRE_NMS_LIMIT = {n['rank']} or more; at such a score rather {_TRAIN}.",
    "proposal_nms": lambda n: f"Set RPN_NMS_THRESHOLD above {n['by_iou']:.2f}.",
    "proposal_count": lambda n: "Set POST_NMS_ROIS_INFERENCE higher.",
    "class": lambda n: (
        f"The box head has not learned it: {_TRAIN}." if n["winner"] == 0 else "The box head takes one class for the other: see their annotations, "
        "and train with more of both."
    ),
    "box": lambda n: f"The box head has not learned it: {_TRAIN}.",
    "confidence": lambda n: f"Set DETECTION_MIN_CONFIDENCE = {_below(n['score']):g} or less.",
    "class_nms": lambda n: (
        f"Two objects lie close: set DETECTION_NMS_THRESHOLD above {n['by_iou']:.2f}."
        if n["by_shows"] is not None
        else f"A worse box had the better score: {_TRAIN}."
    ),
    "max_count": lambda n: f"Set DETECTION_MAX_INSTANCES = {n['rank']} or more, or DETECTION_MIN_CONFIDENCE higher.",
    "area": lambda n: "Nothing to set: the box head moved it to the border, or made it a line.",
    "found": lambda n: "",
}  # fmt: skip
_NOTHING: dict[str, Callable[[dict[str, Any]], str]] = {
    "rpn_rank": lambda n: "The photo gives no anchors, or PRE_NMS_LIMIT none of them.",
    "proposal_nms": lambda n: "Set POST_NMS_ROIS_INFERENCE higher.",
    "class": lambda n: (
        f"Background won every proposal (the best score of another class is {n['best_object_score']:.3f}): the box head has not learned such "
        "objects, or the photo is not like those it was trained on (range 0 to 255, RGB, MEAN_PIXEL)."
    ),
    "confidence": lambda n: (
        f"Set DETECTION_MIN_CONFIDENCE = {_below(n['best_winner_score']):g} or less, now {n['min_confidence']:g}; or train longer."
    ),
    "class_nms": lambda n: "Nothing is left after class NMS: set DETECTION_NMS_THRESHOLD above 0.",
    "max_count": lambda n: "Set DETECTION_MAX_INSTANCES higher.",
    "area": lambda n: "The detections have no area in whole pixels of the photo: is it a line, or the wrong photo?",
}  # fmt: skip


def _below(score: float) -> float:
    """Return the score rounded down to two digits after the point, or to one that counts."""
    digits = 2
    while score > 0 and int(score * 10**digits) == 0 and digits < 6:
        digits += 1
    return int(score * 10**digits) / 10**digits
