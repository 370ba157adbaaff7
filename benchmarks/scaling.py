"""The work "scaling": time and peak memory against pixels, images, rois, instances and classes, each point in a process of its own.

Nothing should grow faster than in proportion. Two figures say so: the exponent of the whole curve on log-log axes, and that of its last step, where
what is quadratic shows first. Fixed costs make both smaller than 1; above 1 is worse than linear. A third, the slope of the last step against the
mean slope, doesn't hang on fixed costs, but means little where there is hardly a slope.
"""

from __future__ import annotations

import math
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.workers import Worker

DETECT, TRAIN = ("benchmarks.ours:detection", "detect"), ("benchmarks.ours_training:training", "step")
LINEAR = 1.1  # exponents above this are called worse than linear: a tenth is the noise of a shared machine
CLASSES_LIMIT_MB = 2048  # what 1,204 classes may take beyond 81


class Axis(NamedTuple):
    """One curve: its name and unit, the contestant and its task, the points, and what is set at each."""

    name: str
    unit: str
    contestant: tuple[str, str]
    points: tuple[int, ...]
    settings: Any


AXES = (
    Axis("image size", "pixels", DETECT, (256, 512, 768, 1024, 1536), lambda x: {"size": x}),
    Axis("batch", "images", DETECT, (1, 2, 4, 8), lambda x: {"size": 512, "batch": x}),
    Axis("rois", "POST_NMS_ROIS_INFERENCE", DETECT, (250, 500, 1000, 2000, 4000), lambda x: {"size": 512, "POST_NMS_ROIS_INFERENCE": x}),
    Axis("instances", "DETECTION_MAX_INSTANCES", DETECT, (25, 100, 400, 1000),
         lambda x: {"size": 512, "DETECTION_MAX_INSTANCES": x, "POST_NMS_ROIS_INFERENCE": 2000}),
    Axis("classes", "NUM_CLASSES", DETECT, (81, 301, 1204), lambda x: {"size": 512, "NUM_CLASSES": x}),
    Axis("instances in training", "MAX_GT_INSTANCES", TRAIN, (25, 100, 400, 1000), lambda x: {"size": 256, "objects": x, "MAX_GT_INSTANCES": x}),
)  # fmt: skip


def run(options: Namespace, notes: list[str]) -> dict[str, Any]:
    """Measure every point, print and plot. Arguments and result as `inference.run`; `options.plot` is the picture's path."""
    figures: dict[str, Any] = {}
    for axis in AXES:
        print(f"\nscaling: {axis.name} ({axis.unit}), the least of {options.rounds} calls")
        rows = [point(axis, x, options.rounds) for x in axis.points]
        figures[axis.name] = curve = {"unit": axis.unit, "points": rows, **exponents(rows)}
        for key in ("seconds", "peak_mb"):
            whole, last = curve[key]
            curve[f"{key}_bend"] = bent = bend([r["x"] for r in rows], [r[key] for r in rows])
            print(f"  exponent of {key}: {whole:.2f} in all, {last:.2f} in the last step; slope of the last step / mean slope: {bent:.2f}")
            if max(whole, last) > LINEAR:
                notes.append(f"scaling: {key} against {axis.name} is worse than linear: {whole:.2f}, last step {last:.2f}")
                print("  " + notes[-1])
    more = figures["classes"]["points"][-1]["peak_mb"] - figures["classes"]["points"][0]["peak_mb"]
    figures["classes"]["more_mb"] = more
    print(f"\n  1,204 classes take {more:,.0f} MB more than 81, with 1,000 rois (limit {CLASSES_LIMIT_MB:,})")
    if more > CLASSES_LIMIT_MB:
        notes.append(f"scaling: 1,204 classes take {more:,.0f} MB more than 81")
    plot(figures, options.plot)
    print(f"  plotted: {options.plot}")
    return figures


def point(axis: Axis, x: int, rounds: int) -> dict[str, Any]:
    """One point of a curve, in a fresh process."""
    factory, task = axis.contestant
    with Worker(factory, {**axis.settings(x), "PRECISION": "float32"}) as worker:
        first = worker.run(task)
        answers = [worker.run(task) for _ in range(rounds)]
        least, peak = min(a["seconds"] for a in answers), worker.peak()["peak_mb"]  # points can't take turns: the least is disturbed least
    found = {k: answers[-1][k] for k in ("detections",) if k in answers[-1]}
    print(f"  {x:5d}   {least:7.3f} s   first call {first['seconds']:6.2f} s   peak {peak:7,.0f} MB   {found or ''}")
    amount = x * x if axis.unit == "pixels" else x
    return {"x": amount, "set": x, "seconds": least, "first_call_seconds": first["seconds"], "peak_mb": peak, **found}


def exponents(rows: Sequence[dict[str, Any]]) -> dict[str, tuple[float, float]]:
    """Exponent p of y ~ x^p for seconds and peak_mb: fitted to all points, and of the last step alone."""
    x = [row["x"] for row in rows]
    return {key: (exponent(x, [r[key] for r in rows]), exponent(x[-2:], [r[key] for r in rows[-2:]])) for key in ("seconds", "peak_mb")}


def exponent(x: Sequence[float], y: Sequence[float]) -> float:
    """Slope of the line of least squares through the logarithms."""
    return float(np.polyfit([math.log(v) for v in x], [math.log(v) for v in y], 1)[0])


def bend(x: Sequence[float], y: Sequence[float]) -> float:
    """Slope of the last step divided by that from the first point to the last: 1 on a straight line whatever the fixed costs, towards 2 if square."""
    return float((y[-1] - y[-2]) / (x[-1] - x[-2]) / ((y[-1] - y[0]) / (x[-1] - x[0])))


def plot(figures: dict[str, Any], path: Path) -> None:
    """Draw the curves on plain axes that start at 0, time above memory; what sags below the dashed line grows faster than in proportion."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, len(figures), figsize=(3.1 * len(figures), 6.4), sharey="row", squeeze=False, layout="constrained")
    rows = (("seconds", "seconds a call", 1, "tab:blue"), ("peak_mb", "peak memory of the process, GB", 1024, "tab:orange"))
    for column, (name, curve) in enumerate(figures.items()):
        points = curve["points"]
        x = [p["x"] for p in points]
        for row, (key, label, unit, colour) in enumerate(rows):
            y, plane = [p[key] / unit for p in points], axes[row][column]
            plane.plot([x[0], x[-1]], [y[0], y[-1]], color="0.6", linestyle="--", zorder=1)
            plane.plot(x, y, marker="o", color=colour, zorder=2)
            plane.set_xlim(0, 1.06 * x[-1])
            plane.grid(alpha=0.3)
            places = [i for i in range(len(x)) if i == 0 or x[i] - x[i - 1] > 0.09 * x[-1]]  # labels that would overlap are left out
            plane.set_xticks([x[i] for i in places], [f"{points[i]['set']}" + "²" * (curve["unit"] == "pixels") for i in places], fontsize=8)
            whole, last = curve[key]
            plane.set_title(f"{name}\n" * (row == 0) + f"exponent {whole:.2f}, last step {last:.2f}", fontsize=10)
            if row:
                plane.set_xlabel(curve["unit"], fontsize=9)
            if not column:
                plane.set_ylabel(label)
    for row in axes:
        row[0].set_ylim(bottom=0)
    figure.suptitle("detect() with ResNet50 (last column: a training step). Dashed: straight from the first point to the last", fontsize=12)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90)
    pyplot.close(figure)
