"""config.json of a run: its configuration, and an entry for each training in its folder (command, environment, data, from which epoch to which)."""

import datetime
import json
import os
import re
from typing import Any

from mrcnn import files
from mrcnn.log import log
from mrcnn.training import plain

FILE = "config.json"
FORMAT = 1
RUNNING, CUT_OFF = "running", "cut off"
_LOGGED_CHANGES = 10

Document = dict[str, Any]


class AnotherNetworkError(ValueError):
    """The folder holds a run of another network."""


def read_config(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the configuration that a run was last trained with.

    Values that are code or objects (a callable BACKBONE) are not in it: the file holds their names only. To make a Config of it again:

        for name, value in record.read_config("logs/cells20260101T1200").items():
            setattr(config, name, value)

    Args:
        path: A config.json, the folder of a run, or a checkpoint in it.

    Returns:
        Value of each attribute by its name.

    Raises:
        FileNotFoundError: the run has no config.json.
        ValueError: it is broken, or another program's.
    """
    path = os.fspath(path)
    if os.path.basename(path) != FILE:
        path = os.path.join(path if os.path.isdir(path) else os.path.dirname(os.path.abspath(path)), FILE)
    try:
        values = {name: plain.decode(value) for name, value in _read(path)["config"].items()}
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{path} holds a value that this version can't read: {error!r}") from error
    return {name: value for name, value in values.items() if value is not plain.UNREADABLE}


def sessions(folder: str) -> list[dict[str, Any]]:
    """The trainings that a run had, first one first; none where there is no config.json that can be read."""
    try:
        return _read(os.path.join(folder, FILE))["sessions"]
    except (OSError, ValueError):
        return []


def begin(folder: str, config: Any, session: dict[str, Any]) -> None:
    """Write down that a training begins: the configuration as it is now, and a new entry. Earlier ones stay.

    What has changed in the configuration since the training before is said in the log and kept in the entry. A file that is broken is set aside.

    Args:
        folder: Of the run.
        config: The Config.
        session: What is to be known about the training, of JSON's types.

    Raises:
        AnotherNetworkError: the run was trained with another NUM_CLASSES, BACKBONE, IMAGE_CHANNEL_COUNT or NUM_ATTRIBUTES.
        OSError: the file can't be written.
    """
    path = os.path.join(folder, FILE)
    values, kind = plain.attributes(config), f"{type(config).__module__}.{type(config).__qualname__}"
    document = _read_or_set_aside(path)
    entry: dict[str, Any] = {"started": _now(), "status": RUNNING, **session}
    if document is None:
        document = {"format": FORMAT, "config_class": kind, "config": values, "sessions": []}
    else:
        changes = changed(document["config"], values)
        _require_same_network(path, changes)
        if changes:
            log(f"Config differs from the one that this run was last trained with: {_described(changes)}")
            entry["config_changes"] = changes
        for earlier in document["sessions"]:
            if earlier.get("status") == RUNNING:
                earlier["status"] = CUT_OFF  # it was killed: nobody was left to write how it ended
        document |= {"config_class": kind, "config": values}
    document["sessions"].append(entry)
    _write(path, document)


def end(folder: str, status: str, epochs_done: int) -> None:
    """Complete the newest entry: how the training ended, and the epochs done in all.

    Raises:
        OSError, ValueError: the file can't be read or written.
    """
    path = os.path.join(folder, FILE)
    document = _read(path)
    if not document["sessions"]:
        raise ValueError(f"{path} has no entry to complete")
    document["sessions"][-1] |= {"ended": _now(), "status": status, "epochs_done": epochs_done}
    _write(path, document)


def changed(before: dict[str, Any], after: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Attributes that differ: {name: {"from": …, "to": …}}; a side that has no such attribute is absent."""
    found = {}
    for name in sorted({*before, *after}):
        sides = {side: values[name] for side, values in (("from", before), ("to", after)) if name in values}
        if len(sides) < 2 or sides["from"] != sides["to"]:
            found[name] = sides
    return found


def stages(entries: list[dict[str, Any]]) -> list[tuple[int, str]]:
    """Where other layers began to train: [(epochs done before, layers)], the first one included.

    Entries from whose middle a later one went on count up to there.
    """
    found: list[tuple[int, str]] = []
    for entry in entries:
        try:
            start, layers = int(entry["epoch_from"]), entry["training"]["layers"]
        except (KeyError, TypeError, ValueError):
            continue
        name = layers if isinstance(layers, str) else f"{len(layers)} layers"
        found = [stage for stage in found if stage[0] < start]
        if not found or found[-1][1] != name:
            found.append((start, name))
    return found


def _require_same_network(path: str, changes: dict[str, dict[str, Any]]) -> None:
    """Refuse a change that makes another network: its checkpoints and curves don't belong among this run's.

    Two callable BACKBONEs are let pass: the same function has one name in a program and another where it is imported.
    """
    for name in ("NUM_CLASSES", "BACKBONE", "IMAGE_CHANNEL_COUNT", "NUM_ATTRIBUTES"):
        sides = changes.get(name, {})
        if name == "NUM_ATTRIBUTES" and sides.get("to"):  # a run from before there were attributes names none
            sides = {"from": 0} | sides
        if len(sides) == 2 and not (name == "BACKBONE" and all(isinstance(side, dict) for side in sides.values())):
            before, now = plain.short(sides["from"]), plain.short(sides["to"])
            raise AnotherNetworkError(
                f"The run of {path} was trained with {name} = {before}, and the configuration says {now}: that is another network. "
                "To start a new run from these weights, call model.set_log_dir() after load_weights; to go on with the run, set "
                f"{name} as it was."
            )


def _described(changes: dict[str, dict[str, Any]]) -> str:
    def side(sides: dict[str, Any], name: str) -> str:
        return plain.short(sides[name]) if name in sides else "(absent)"

    parts = [f"{name} {side(sides, 'from')} -> {side(sides, 'to')}" for name, sides in changes.items()]
    more = f"; {len(parts) - _LOGGED_CHANGES} more are in {FILE}" if len(parts) > _LOGGED_CHANGES else ""
    return "; ".join(parts[:_LOGGED_CHANGES]) + more


def _read(path: str) -> Document:
    """Read the document.

    Raises:
        OSError: it can't be opened.
        ValueError: it is no document of this form.
    """
    with open(path, "rb") as file:
        content = file.read()
    try:
        document = json.loads(content)
        right = isinstance(document["config"], dict) and all(isinstance(entry, dict) for entry in document["sessions"])
        if document["format"] != FORMAT or not right or not isinstance(document["sessions"], list):
            raise ValueError(f"of form {document['format']}")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueError(f"{path} is not what a training writes ({error!r})") from error
    return document


def _read_or_set_aside(path: str) -> Document | None:
    try:
        return _read(path)
    except FileNotFoundError:
        return None
    except ValueError as error:
        log(f"{error}. It is kept as {os.path.basename(files.set_aside(path))}, and a new one begins.")
        return None


def _write(path: str, document: Document) -> None:
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    # Lists of numbers or names go on one line. The line ends that json made are the only ones: inside texts they are written as \\n.
    text = re.sub(r"\[\n[^\[\]{}]*\n *\]", lambda found: re.sub(r"\n *", " ", found[0]).replace("[ ", "[").replace(" ]", "]"), text)
    files.write(path, text + "\n")


def _now() -> str:
    return datetime.datetime.now().astimezone().isoformat(timespec="seconds")
