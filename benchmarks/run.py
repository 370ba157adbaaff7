"""What is timed, against whom, as ratios in one run.

    python benchmarks/run.py                         # infer, train, input, paste
    python benchmarks/run.py infer --rounds 9 --json infer.json --torch-python /path/to/venv/bin/python
    python benchmarks/run.py scaling --plot docs/images/scaling.png

Works: infer, train, input, paste, scaling, runtimes, evaluate, augment. See docs/benchmarks.md. MRCNN_BENCH_TORCH, MRCNN_BENCH_RUNTIMES
and MRCNN_BENCH_AUGMENT name the interpreters that have torchvision, openvino with onnxruntime, and albumentations;
what can't be imported is said and skipped.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import contest, machine  # noqa: E402

#: Modules by work. Each has run(options, notes) -> figures: it plays, prints, and notes what was skipped.
WORKS = {
    "infer": "benchmarks.inference",
    "train": "benchmarks.training",
    "input": "benchmarks.input_pipeline",
    "paste": "benchmarks.paste",
    "scaling": "benchmarks.scaling",
    "runtimes": "benchmarks.runtimes",
    "evaluate": "benchmarks.evaluate",
    "augment": "benchmarks.augmentation",
}
DEFAULT = ("infer", "train", "input", "paste")


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("works", nargs="*", default=list(DEFAULT), metavar="WORK", help=f"of {', '.join(WORKS)} ({', '.join(DEFAULT)})")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contestant after its first call (5)")
    parser.add_argument("--size", type=int, default=1024, help="side of the photo of infer, pixels (1024)")
    parser.add_argument("--train-size", type=int, default=512, help="side of the photos of train, pixels (512)")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    parser.add_argument("--plot", type=Path, default=Path("docs/images/scaling.png"), help="picture of scaling")
    parser.add_argument(
        "--torch-python", default=os.environ.get("MRCNN_BENCH_TORCH", sys.executable),
        help="interpreter with torchvision (MRCNN_BENCH_TORCH, else this one; without torchvision its contests are skipped)",
    )  # fmt: skip
    options = parser.parse_args(words)
    unknown = sorted({*options.works} - {*WORKS})
    if unknown:
        parser.error(f"there is no work {', '.join(unknown)}; there are {', '.join(WORKS)}")
    if options.rounds < 1:
        parser.error("--rounds starts at 1")
    return options


def main(words: list[str] | None = None) -> dict[str, Any]:
    """Play the works asked for, print them, and write the JSON file."""
    options = arguments(words)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
    notes: list[str] = []
    report: dict[str, Any] = {"machine": machine.describe(), "seed": 0, "rounds": options.rounds, "works": {}, "notes": notes}
    print(" ".join(f"{key}={value}" for key, value in report["machine"].items()))
    for name in options.works:
        busy, start = machine.Busy(), time.perf_counter()
        report["works"][name] = importlib.import_module(WORKS[name]).run(options, notes) or {}
        others = busy.others()
        print(f"  ({name}: {time.perf_counter() - start:.0f} s; cores that others kept busy meanwhile: {others:.2f})")
        if others > contest.QUIET:
            notes.append(f"{name}: others kept {others:.2f} cores busy meanwhile; the times are distorted")
            print("  " + notes[-1])
        report["works"][name]["others_busy_cores"] = others
        _write(report, options.json)
    if options.json:
        print(f"written: {options.json}")
    return report


def _write(report: dict[str, Any], path: Path | None) -> None:
    """Write what there is after each work: a later one that fails loses nothing."""
    if path:
        path.write_text(json.dumps(report, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
