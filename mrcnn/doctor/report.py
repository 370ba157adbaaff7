"""Report: the findings and figures of an examination, as text and as an exit status."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from mrcnn import files, page
from mrcnn.data import statistics
from mrcnn.doctor import findings
from mrcnn.doctor.check_anchors import Anchors
from mrcnn.doctor.cost import Cost
from mrcnn.doctor.findings import Finding
from mrcnn.doctor.survey import Survey

if TYPE_CHECKING:
    from mrcnn.config import Config

#: Classes that tables show, the commonest of those that have instances.
ROWS = 40


@dataclass
class Report:
    """What an examination found; `print` it.

    Attributes:
        config: that of the training.
        surveys: what was seen of training and, if there is one, of validation.
        findings: all, the worst first.
        anchors: how they fit, or None.
        cost: of a step, or None.
        weights: path of the weights, or None.
        complete: False after Ctrl-C: it tells what was seen until then.
    """

    config: Config
    surveys: list[Survey] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    anchors: Anchors | None = None
    cost: Cost | None = None
    weights: str | None = None
    complete: bool = True

    @property
    def sensible(self) -> bool:
        """Whether training makes sense: no finding is an error."""
        return not any(finding.severity == "error" for finding in self.findings)

    @property
    def exit_status(self) -> int:
        """0 where training makes sense, else 1; 130 where Ctrl-C came before an error was found."""
        return 1 if not self.sensible else 0 if self.complete else 130

    def of_severity(self, severity: str) -> list[Finding]:
        """Return the findings that are an "error", a "warning" or a "note"."""
        return [finding for finding in self.findings if finding.severity == severity]

    def verdict(self) -> str:
        """Say in a line whether training makes sense."""
        numbers = ", ".join(f"{len(self.of_severity(one))} {one}{'s' * (len(self.of_severity(one)) != 1)}" for one in findings.SEVERITIES)
        if not self.sensible:
            names = ", ".join(dict.fromkeys(finding.check for finding in self.of_severity("error")))
            return f"Training makes no sense yet: {names}. ({numbers})"
        if not self.complete:
            return f"Stopped before the end; nothing seen so far speaks against training. ({numbers})"
        return f"Training makes sense. ({numbers})"

    def tables(self) -> list[tuple[str, list[str], list[list[object]]]]:
        """Return (title, columns, rows) of the figures."""
        found = []
        for survey in self.surveys:
            data = survey.statistics()
            rows = sorted((row for row in data.table() if row[2]), key=lambda row: -row[2])
            title = f"{survey.subset}: {self._seen(survey)}, {len(data.class_ids)} instances, {data.num_crowds} crowds"
            found.append((_cut(title, rows), [*_HEADS], rows[:ROWS]))
            per_image = data.instances_per_image
            if len(per_image):
                quantiles = [int(q) for q in np.percentile(per_image, (0, 10, 50, 90, 100))]
                shapes = np.array([p.shape[:2] for p in survey.photos if p.shape])
                height, width = (np.percentile(shapes[:, i], (0, 50, 100)).astype(int).tolist() for i in (0, 1))
                rows = [["instances an image", *quantiles]]
                rows += [[f"{name}, px", low, "", middle, "", high] for name, (low, middle, high) in (("height", height), ("width", width))]
                found.append((f"{survey.subset}: images", ["", "least", "10 %", "median", "90 %", "most"], rows))
        if self.anchors is not None:
            rows = [[name, count, *(f"{100 * share:.1f} %" for share in shares)] for name, count, *shares in self.anchors.rows()]
            rows[self.anchors.num_sizes :] = sorted(rows[self.anchors.num_sizes :], key=lambda row: -row[1])
            better = self.anchors.better.says() if self.anchors.better.says() != self.anchors.own.says() else "no better found"
            title = f"anchor recall, now {self.anchors.own.says()}; proposed {better}"
            heads = ["objects", "number", "IoU 0.5 now", "0.7 now", "0.5 proposed", "0.7 proposed"]
            found.append((_cut(title, rows[self.anchors.num_sizes :]), heads, rows[: self.anchors.num_sizes + ROWS]))
        found += self._losses()
        return found

    def _losses(self) -> list[tuple[str, list[str], list[list[object]]]]:
        """Return a table of what the way to the network loses, 0 included."""
        rows = []
        for survey in self.surveys:
            total = max(1, len(survey.joined("class_ids")))
            counts = [len(p.instances.class_ids) for p in survey.photos if p.usable]
            over = sum(max(0, count - self.config.MAX_GT_INSTANCES) for count in counts)
            gone = int(((survey.joined("areas") > 0) & (survey.joined("resized_areas") == 0)).sum())
            iou = survey.joined("mini_iou")
            mini = f"{np.nanmean(iou):.3f} (10 %: {np.nanpercentile(iou, 10):.3f})" if np.isfinite(iou).any() else "not used"
            rows.append([survey.subset, f"{100 * over / total:.2f} %", f"{100 * gone / total:.2f} %", mini])
        heads = ["", "to MAX_GT_INSTANCES", "to resizing", "mini-masks: mean IoU"]
        return [("instances lost on the way to the network", heads, rows)] if rows else []

    def _seen(self, survey: Survey) -> str:
        total = len(survey.dataset.image_ids)
        return f"{total} images" if survey.whole else f"{len(survey.photos)} of {total} images"

    def __str__(self) -> str:
        parts = [self.verdict()]
        parts += [str(finding) for finding in self.findings]
        parts += [f"{title}\n{page.text(columns, rows)}" for title, columns, rows in self.tables()]
        parts += ["cost\n" + "\n".join(f"  {line}" for line in self.cost.lines())] if self.cost is not None else []
        return "\n\n".join([*parts, self.verdict()])

    def html(self) -> str:
        """Return the report as one HTML page with pictures, which needs no other file. Images are read again for it."""
        from mrcnn.doctor import html

        return html.page(self)

    def save_html(self, path: str) -> None:
        """Write that page.

        Raises:
            OSError: it can't be written.
        """
        files.write(path, self.html())


_HEADS = ("class", "images", "instances", "share", "area 10 %", "area 50 %", "area 90 %", *statistics.SIZES)


def _cut(title: str, rows: Sequence) -> str:
    return f"{title} (the {ROWS} commonest classes)" if len(rows) > ROWS else title
