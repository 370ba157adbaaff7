"""metrics.csv: the figures of each epoch of a run, a row an epoch, a column a figure."""

import contextlib
import csv
import io
import math
import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from mrcnn import files
from mrcnn.log import log

FILE = "metrics.csv"
OLD_FILE = "training.csv"  # its name until 0.1.0

Row = dict[str, float]


def numbers(logs: Mapping[str, Any] | None) -> Row:
    """The figures among what Keras' callbacks hand on; what is no number (a user's callback may log anything) is left out."""
    found: Row = {}
    for name, value in (logs or {}).items():
        with contextlib.suppress(TypeError, ValueError):
            found[str(name)] = float(value)
    return found


def learning_rate(optimizer: Any) -> float:
    """The rate that an optimizer has now, as it was written (0.01, not the 0.009999999776 that float32 makes of it)."""
    return float(str(np.float32(float(optimizer.learning_rate))))


def read(path: str) -> tuple[list[Row], str | None]:
    """Read the rows, in the order of their epochs. A cell that is empty is absent from its row.

    Returns:
        The rows that can be read; what is wrong with the file, naming the line, or None.

    Raises:
        OSError: there is no such file, or it can't be opened.
    """
    with open(path, "rb") as file:
        content = file.read()
    rows: dict[int, Row] = {}
    try:
        text = content.decode()
        reader = csv.DictReader(io.StringIO(text, newline=""), restkey="")
        if "epoch" not in (reader.fieldnames or ()):
            return [], "its first line names no column 'epoch'"
        for cells in reader:
            if "" in cells or None in cells.values():
                raise ValueError(f"line {reader.line_num} has not as many cells as the first line")
            row = {name: float(cell) for name, cell in cells.items() if cell}
            epoch = row.get("epoch", math.nan)
            if not (epoch >= 1 and epoch.is_integer()):
                raise ValueError(f"line {reader.line_num} is of no epoch")
            rows[int(epoch)] = row
        if not text.endswith("\n"):  # the last number may be cut off in its middle
            rows.pop(max(rows, default=0), None)
            raise ValueError("its last line has no end")
    except (ValueError, csv.Error) as error:
        return _sorted(rows), str(error)
    return _sorted(rows), None


def add(path: str, new: list[Row]) -> None:
    """Add the rows of epochs; rows of the first of them and of later epochs, of a run that now goes on from before them, are dropped.

    A figure that comes for the first time gets a column then. A file that is broken, or none of ours, is set aside; what could be read of it goes on.

    Args:
        path: The file, made where there is none. An old run's training.csv beside it is continued under this name.
        new: Rows in the order of their epochs, each with "epoch".

    Raises:
        OSError: the file can't be read or written.
    """
    _adopt(path)
    rows: list[Row] = []
    if os.path.exists(path):
        rows, problem = read(path)
        if problem:
            aside = files.set_aside(path)
            log(f"{path} could not be read ({problem}). It is kept as {os.path.basename(aside)}; {len(rows)} of its epochs go on in a new one.")
    rows = [row for row in rows if row["epoch"] < new[0]["epoch"]] + new
    files.write(path, _text(rows))


def columns(rows: Iterable[Row]) -> dict[str, list[float]]:
    """Turn rows into columns of one length; nan where a row has no such figure."""
    rows = list(rows)
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name, math.nan) for row in rows] for name in names}


def _adopt(path: str) -> None:
    old = os.path.join(os.path.dirname(path), OLD_FILE)
    if not os.path.exists(path) and os.path.exists(old):
        os.rename(old, path)
        log(f"{old} goes on as {os.path.basename(path)}.")


def _sorted(rows: dict[int, Row]) -> list[Row]:
    return [rows[epoch] for epoch in sorted(rows)]


def _text(rows: list[Row]) -> str:
    names = dict.fromkeys(name for row in rows for name in row)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(names), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({**row, "epoch": int(row["epoch"])} for row in rows)
    return text.getvalue()
