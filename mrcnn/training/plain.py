"""Values of a Config as JSON, and back.

Numbers, texts, lists and arrays come back; tuples and sets come back as lists. Code (a callable BACKBONE) and other objects are written by their name
only. What JSON does not have is an object with one key that begins with "@".
"""

import hashlib
import math
import re
from typing import Any

import numpy as np

MAX_ARRAY = 1000  # larger arrays are written as shape, dtype and SHA-256
MAX_TEXT = 2000
_MAX_DEPTH = 20
_SECRET = re.compile(r"secret|password|passwd|api_?key|access_?key|token$|credential", re.IGNORECASE)


class Unreadable:
    """Stands for a value of which the file holds the name only."""


UNREADABLE = Unreadable()


def encode(value: Any, depth: int = 0) -> Any:
    """Bring any value to what JSON can hold; never raises."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, str)) or type(value) is int:
        return value
    if depth > _MAX_DEPTH:
        return {"@object": "nested too deeply, or in itself"}
    if isinstance(value, float):
        return value if math.isfinite(value) else {"@float": repr(value)}
    if isinstance(value, int):  # an IntEnum, say
        return int(value)
    if isinstance(value, np.ndarray):
        return _array(value)
    if isinstance(value, dict):
        return _dict(value, depth)
    if isinstance(value, (list, tuple)):
        return [encode(item, depth + 1) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted((encode(item, depth + 1) for item in value), key=repr)
    if callable(value) and hasattr(value, "__qualname__"):
        return {"@callable": f"{getattr(value, '__module__', None)}.{value.__qualname__}"}
    return {"@object": f"{type(value).__module__}.{type(value).__qualname__}", "text": text(value)}


def decode(value: Any) -> Any:
    """Bring what `encode` made back; UNREADABLE for what is there by its name only."""
    if isinstance(value, list):
        items = [decode(item) for item in value]
        return UNREADABLE if any(item is UNREADABLE for item in items) else items
    if not isinstance(value, dict):
        return value
    if "@float" in value:
        return float(value["@float"])
    if "@array" in value:
        return np.array(decode(value["@array"]), dtype=value["dtype"]).reshape(value["shape"])
    if "@dict" in value:
        pairs = [(decode(key), decode(item)) for key, item in value["@dict"]]
    elif any(key.startswith("@") for key in value):
        return UNREADABLE
    else:
        pairs = [(key, decode(item)) for key, item in value.items()]
    if any(part is UNREADABLE for pair in pairs for part in pair):
        return UNREADABLE
    return {tuple(key) if isinstance(key, list) else key: item for key, item in pairs}


def attributes(config: Any) -> dict[str, Any]:
    """All attributes of a Config, own and inherited, known and unknown, by `encode`.

    Left out: what is computed from others when read (BATCH_SIZE, IMAGE_SHAPE, …), unless it was set. A value is not written if its name says that it
    is a secret.
    """
    found = {}
    for name in sorted(n for n in dir(config) if not n.startswith("_")):
        if isinstance(getattr(type(config), name, None), property) and name not in vars(config):
            continue
        try:
            value = getattr(config, name)
        except Exception as error:  # a user's descriptor may do anything
            value = f"could not be read: {type(error).__name__}: {error}"
        if name.isupper() or not callable(value):
            found[name] = {"@object": "not written: its name says it is a secret"} if _SECRET.search(name) else encode(value)
    return found


def text(value: Any) -> str:
    """The text form of an object, the same from run to run: without memory addresses, and not longer than MAX_TEXT."""
    try:
        form = repr(value)
    except Exception as error:  # a user's __repr__ may do anything
        form = f"no text form: {type(error).__name__}: {error}"
    form = re.sub(r" at 0x[0-9a-fA-F]+", "", form)
    return form if len(form) <= MAX_TEXT else f"{form[:MAX_TEXT]}… ({len(form)} characters)"


def short(value: Any) -> str:
    """What `encode` made, on one line for the log."""
    if isinstance(value, dict) and "@array" in value:
        value = value["@array"]
    elif isinstance(value, dict) and len(value) <= 2 and next(iter(value), "").startswith("@"):
        value = value.get("text") or next(iter(value.values()))
    form = str(value)
    return form if len(form) <= 80 else f"{form[:77]}…"


def _array(array: np.ndarray) -> dict[str, Any]:
    if array.dtype.kind not in "biufU":
        return {"@object": f"array of {array.dtype}, shape {array.shape}", "text": text(array)}
    if array.size > MAX_ARRAY:
        digest = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
        return {"@object": f"array of {array.dtype}, shape {array.shape}", "text": f"SHA-256 {digest}"}
    return {"@array": encode(array.tolist()), "dtype": str(array.dtype), "shape": list(array.shape)}


def _dict(value: dict[Any, Any], depth: int) -> dict[str, Any]:
    if all(isinstance(key, str) and not key.startswith("@") for key in value):
        return {key: encode(item, depth + 1) for key, item in value.items()}
    return {"@dict": [[encode(key, depth + 1), encode(item, depth + 1)] for key, item in value.items()]}
