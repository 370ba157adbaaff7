"""curves.png of a run, and several runs over one another, from their metrics.csv. Loads no Keras.

Matplotlib is imported where it is used: a broken one costs the curves, not the training.
"""

import os
from collections.abc import Sequence

from mrcnn import files
from mrcnn.training import metrics, record

FILE = "curves.png"


def draw(folder: str, path: str | None = None) -> str:
    """Draw the curves of a run.

    Args:
        folder: Of the run, or its CSV file.
        path: Of the picture; None: curves.png in the folder.

    Returns:
        Path of the picture.

    Raises:
        OSError, ValueError: there are no figures, or the picture can't be written.
    """
    from mrcnn.visualize import training_curves

    table, folder = _table(folder)
    figure = training_curves.draw_run(table, record.stages(record.sessions(folder)), os.path.basename(folder))
    path = path or os.path.join(folder, FILE)
    files.write(path, training_curves.png(figure))
    return path


def compare(folders: Sequence[str], path: str) -> str:
    """Draw several runs over one another; arguments and errors as in `draw`. Returns the path of the picture."""
    from mrcnn.visualize import training_curves

    runs: dict[str, dict[str, list[float]]] = {}
    for given in folders:
        table, folder = _table(given)
        name = os.path.basename(folder)
        runs[given if name in runs else name] = table
    files.write(path, training_curves.png(training_curves.draw_runs(runs)))
    return path


def best(path: str) -> str:
    """Say the best epoch of a metrics.csv: by mAP, or by the validation loss where there is none; "" without either."""
    from mrcnn.visualize import training_curves

    try:
        columns = metrics.columns(metrics.read(path)[0])
        name = training_curves.map_name(columns)
        value, epoch = training_curves.best(columns, name, max) if name else training_curves.best(columns, "val_loss", min)
    except (OSError, ValueError, KeyError):  # no file, or no such figure
        return ""
    return f"best {name} {value:.3f} at epoch {epoch:.0f}" if name else f"lowest val_loss {value:.4g} at epoch {epoch:.0f}"


def _table(given: str) -> tuple[dict[str, list[float]], str]:
    """The columns of a run given by its folder or its CSV file, and its folder."""
    folder, path = os.path.abspath(given), os.path.abspath(given)
    if os.path.isfile(given):
        folder = os.path.dirname(folder)
    else:
        names = (metrics.FILE, metrics.OLD_FILE)
        path = next((p for name in names if os.path.isfile(p := os.path.join(folder, name))), None)
        if path is None:
            raise FileNotFoundError(f"{given} holds no {metrics.FILE}: a run's folder is expected, such as logs/cells20260101T1200.")
    rows, problem = metrics.read(path)
    if not rows:
        raise ValueError(f"{path} holds no figures of an epoch ({problem or 'it has no row'}).")
    return metrics.columns(rows), folder
