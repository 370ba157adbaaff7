"""The report as one HTML page: no script, no other file, pictures inside as data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

import cv2
import numpy as np

from mrcnn import page as pages
from mrcnn.data import images, samples
from mrcnn.doctor import findings
from mrcnn.doctor.findings import Finding
from mrcnn.doctor.survey import Survey, load, photo_name
from mrcnn.ops import boxes as box_ops
from mrcnn.results import Detections

if TYPE_CHECKING:
    from mrcnn.doctor.report import Report

#: Pictures of a finding, and of each data set as it is; pixels of their longer side.
OF_FINDING, OF_DATA, SIDE = 4, 8, 420
#: Of the plots.
DPI = 90
#: Instances from which on names would hide them.
CAPTIONS = 25


def page(report: Report) -> str:
    """Return the page of a report."""
    surveys = {survey.subset: survey for survey in report.surveys}
    body = [f"<h1>mrcnn doctor</h1><p class='verdict'>{escape(report.verdict())}</p>", f"<p>{escape(_about(report))}</p>", "<h2>Findings</h2>"]
    body += [_finding(finding, surveys) for finding in report.findings] or ["<p>None.</p>"]
    body += ["<h2>Figures</h2>", *(pages.figure(plot, "") for plot in _plots(report))]
    body += [pages.table(*table) for table in report.tables()]
    if report.cost is not None:
        body += ["<h2>Cost</h2><ul>", *(f"<li>{escape(line)}</li>" for line in report.cost.lines()), "</ul>"]
    for survey in report.surveys:
        body += [f"<h2>Images of {survey.subset}</h2><p>Some, drawn with their masks as load_mask gives them.</p>", *_some(survey)]
    return pages.document("mrcnn doctor", body)


def _about(report: Report) -> str:
    config = report.config
    parts = [f"configuration {type(config).__name__} ({config.NAME}), NUM_CLASSES {config.NUM_CLASSES}"]
    parts += [f"{survey.subset} {len(survey.photos)} of {len(survey.dataset.image_ids)} images" for survey in report.surveys]
    return "; ".join(parts) + (f"; weights {report.weights}" if report.weights else "")


def _finding(finding: Finding, surveys: Mapping[str, Survey]) -> str:
    survey, where = surveys.get(finding.subset), ""
    if finding.examples:
        count = max(len(finding.image_ids), len(finding.examples))
        shown = finding.examples[: 4 * findings.EXAMPLES]
        more = f"; and {count - len(shown)} more" if count > len(shown) else ""
        where = f"<p class='where'>{escape('; '.join(shown) + more)}</p>"
    subset = f" <small>({finding.subset})</small>" if finding.subset else ""
    head = f"<b>{finding.severity}</b> <code>{escape(finding.check)}</code>{subset}<p>{escape(finding.what)}</p>"
    pictures = ""
    if survey is not None:
        for image_id in finding.image_ids[:OF_FINDING]:
            pictures += _picture(survey, image_id, finding.instances.get(image_id))
            if image_id in finding.beside:
                pictures += _picture(surveys["training"], finding.beside[image_id], None) + "<br>"
    return f"<div class='finding {finding.severity}'>{head}{where}<p>→ {escape(finding.advice)}</p>{pictures}</div>"


def _some(survey: Survey) -> Iterator[str]:
    """Yield pictures of some usable images, spread over the data set."""
    usable = [photo.image_id for photo in survey.photos if photo.usable]
    for place in np.unique(np.linspace(0, len(usable) - 1, min(OF_DATA, len(usable))).astype(int)):
        yield _picture(survey, usable[place], None)


def _picture(survey: Survey, image_id: int, places: Sequence[int] | None) -> str:
    """Draw an image with its instances, or some of them; an image that can't be drawn says so."""
    name = photo_name(survey.dataset, image_id)
    try:
        drawn = _drawn(survey, image_id, places)
    except Exception as error:  # whatever a user's load_image raises; the finding says it
        return f"<figure><figcaption>{escape(name)}: no picture ({escape(type(error).__name__)})</figcaption></figure>"
    marked = f", instance {', '.join(map(str, places[:6]))}" if places else ""
    encoded = cv2.imencode(".jpg", drawn[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 82])[1].tobytes()
    return pages.figure(encoded, f"{name}{marked}", "jpeg")


def _drawn(survey: Survey, image_id: int, places: Sequence[int] | None) -> np.ndarray:
    """Return [h, w, 3] uint8 RGB; around tiny instances what is near them, enlarged."""
    from mrcnn import visualize

    image = _shown(survey.dataset.load_image(image_id))
    found = _instances(survey, image_id)
    if found is None or found.shape != image.shape[:2]:
        return _fitted(image, ())[0]
    chosen = np.arange(len(found.class_ids)) if not places else np.array([p for p in places if p < len(found.class_ids)], int)
    near = _near(found.some(chosen).boxes(), image.shape) if places else np.s_[:, :]
    image, masks = _fitted(image[near], (found.plane(place)[near] for place in chosen))
    class_ids = np.abs(found.class_ids[chosen])
    drawn = Detections(box_ops.from_masks(masks), class_ids, np.ones(len(class_ids), np.float32), masks)
    names = survey.dataset.class_names
    return visualize.draw_instances(image, drawn, names, show_scores=False, show_captions=len(names) > 2 and drawn.num <= CAPTIONS)


def _instances(survey: Survey, image_id: int) -> samples.Instances | None:
    """Return what the data set gives where it has the form of masks, ids out of range and all; else None."""
    try:
        masks, class_ids = load(survey.dataset, image_id)
        found = samples.Instances(masks if isinstance(masks, list) else np.asarray(masks) != 0, np.asarray(class_ids).astype(np.int64))
        count = len(found.masks) if isinstance(masks, list) else found.masks.shape[2]
        return found if found.class_ids.shape == (count,) else None
    except Exception:  # as in _picture: the photo alone is drawn then
        return None


def _shown(image: np.ndarray) -> np.ndarray:
    """Bring an image to [H, W, 3] uint8, as nearly as it can be."""
    if image.dtype != np.uint8:
        largest = float(image.max(initial=0))
        image = np.clip(image * (255 / largest if 0 < largest <= 1 or largest > 255 else 1), 0, 255).astype(np.uint8)
    return images.to_rgb(image if image.ndim == 2 or image.shape[-1] in (1, 3, 4) else image[..., :1])


def _near(boxes: np.ndarray, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Return what to cut out around small masks, by their boxes: rows and columns."""
    boxes = boxes[(boxes[:, 2:] > boxes[:, :2]).all(axis=1)]
    if not len(boxes):
        return np.s_[:, :]
    top, bottom = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    around = np.maximum(24, (bottom - top) // 2)
    (y1, x1), (y2, x2) = np.maximum(0, top - around), np.minimum(shape[:2], bottom + around)
    return np.s_[y1:y2, x1:x2]


def _fitted(image: np.ndarray, masks: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Bring an image and its masks, of which one is looked at at a time, to the pictures' size."""
    factor = SIDE / max(image.shape[:2])
    height, width = (max(1, round(side * factor)) for side in image.shape[:2])
    smaller = cv2.INTER_AREA if factor < 1 else cv2.INTER_NEAREST
    resized = cv2.resize(np.ascontiguousarray(image), (width, height), interpolation=smaller)
    planes = [cv2.resize(np.ascontiguousarray(plane, np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) for plane in masks]
    return resized, np.stack(planes, axis=-1).astype(bool) if planes else np.zeros((height, width, 0), bool)


def _plots(report: Report) -> Iterator[bytes]:
    """Yield the plots of the figures as PNG."""
    from mrcnn.visualize import distribution, training_curves

    data = {survey.subset: survey.statistics() for survey in report.surveys}
    data = {name: one for name, one in data.items() if len(one.class_ids)}
    if not data:
        return
    names = next(iter(data.values())).class_names[1:]
    alike = {name: one.instances_per_class[1:] for name, one in data.items() if one.class_names[1:] == names}
    yield training_curves.png(distribution.plot_classes(names, alike), DPI)
    per_image = {name: one.instances_per_image for name, one in data.items()}
    yield training_curves.png(distribution.plot_instances_per_image(per_image, limit=report.config.MAX_GT_INSTANCES), DPI)
    sides = {}
    for survey in report.surveys:
        boxes = survey.joined("resized_boxes")
        boxes = boxes[(boxes[:, 2:] > boxes[:, :2]).all(axis=1)]
        if len(boxes):
            sides[survey.subset] = np.sqrt((boxes[:, 2:] - boxes[:, :2]).prod(axis=1))
    if sides:
        scales = report.config.RPN_ANCHOR_SCALES
        yield training_curves.png(distribution.plot_sizes(sides, scales=scales, title="sizes of objects at the network"), DPI)
