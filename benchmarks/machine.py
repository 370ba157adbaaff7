"""The machine that the figures come from: processor, versions, and whether somebody else used it meanwhile."""

from __future__ import annotations

import os
import platform
import time
from importlib import metadata
from pathlib import Path
from typing import Any

#: Flags of /proc/cpuinfo that decide how fast matrices multiply.
FLAGS = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16", "amx_tile")
PACKAGES = ("tensorflow", "keras", "numpy", "scipy", "scikit-image", "opencv-python-headless", "pycocotools")


def describe() -> dict[str, Any]:
    """Processor, its flags, usable cores, memory in GB, and versions."""
    info = Path("/proc/cpuinfo").read_text(encoding="utf-8") if os.path.exists("/proc/cpuinfo") else ""
    fields = dict(line.split(":", 1) for line in info.splitlines() if ":" in line)
    fields = {key.strip(): value.strip() for key, value in fields.items()}
    flags = set(fields.get("flags", "").split())
    return {
        "cpu": fields.get("model name", platform.processor()),
        "flags": [flag for flag in FLAGS if flag in flags],
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "python": platform.python_version(),
        **{name: _version(name) for name in PACKAGES},
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


class Busy:
    """How many cores others keep busy from now on: what all processors did, less what this process and its children did."""

    def __init__(self) -> None:
        self._busy, self._own, self._since = _busy_seconds(), _own_seconds(), time.perf_counter()

    def others(self) -> float:
        """Cores, as a mean since the start. Children count once they have ended."""
        foreign = _busy_seconds() - self._busy - (_own_seconds() - self._own)
        return max(0.0, foreign) / (time.perf_counter() - self._since)


def _own_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _busy_seconds() -> float:
    try:
        with open("/proc/stat", encoding="utf-8") as file:
            user, nice, system, _, _, irq, soft_irq, steal = map(int, file.readline().split()[1:9])
    except OSError:
        return 0.0
    return (user + nice + system + irq + soft_irq + steal) / os.sysconf("SC_CLK_TCK")
