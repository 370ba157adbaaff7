"""What a training runs in: the command, the versions, the machine. None of it may end a training, so what can't be found out is None."""

import importlib.metadata
import os
import platform
import shlex
import subprocess
import sys
from typing import Any

import cv2
import keras
import numpy as np

import mrcnn

#: Environment variables that are recorded, where they are set. A fixed list: others may hold secrets, whatever their names (TF_VAR_… of Terraform).
VARIABLES = (
    "KERAS_BACKEND", "KERAS_HOME", "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "NVIDIA_TF32_OVERRIDE", "XLA_FLAGS",
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "PYTHONHASHSEED", "TF_CPP_MIN_LOG_LEVEL", "TF_CUDNN_DETERMINISTIC",
    "TF_CUDNN_USE_AUTOTUNE", "TF_DETERMINISTIC_OPS", "TF_ENABLE_ONEDNN_OPTS", "TF_FORCE_GPU_ALLOW_GROWTH",
    "TF_GPU_ALLOCATOR", "TF_GPU_THREAD_COUNT", "TF_GPU_THREAD_MODE", "TF_NUM_INTEROP_THREADS",
    "TF_NUM_INTRAOP_THREADS", "TF_USE_LEGACY_KERAS", "TF_XLA_FLAGS", "JAX_ENABLE_X64", "JAX_PLATFORMS",
    "XLA_PYTHON_CLIENT_PREALLOCATE", "XLA_PYTHON_CLIENT_MEM_FRACTION", "PYTORCH_CUDA_ALLOC_CONF", "SLURM_JOB_ID",
)  # fmt: skip
PACKAGES = ("h5py", "imgaug", "matplotlib", "pycocotools")
_GIT_SECONDS = 5.0


def command() -> dict[str, Any]:
    """How this process was started: its line as a shell takes it, sys.argv, the current folder, and whether somebody types it (notebook, shell)."""
    interactive = "notebook" if "ipykernel" in sys.modules else "shell" if hasattr(sys, "ps1") else None
    try:
        folder = os.getcwd()
    except OSError:  # it was deleted
        folder = None
    words = getattr(sys, "orig_argv", None) or [sys.executable, *sys.argv]
    return {"line": shlex.join(words), "argv": list(map(str, sys.argv)), "folder": folder, "interactive": interactive}


def environment() -> dict[str, Any]:
    """Versions, machine, devices, the variables of the list above that are set, and the git commit of the current folder."""
    versions = {"python": platform.python_version(), "mrcnn": mrcnn.__version__, "keras": keras.__version__}
    versions |= {"numpy": np.__version__, "cv2": cv2.__version__, keras.backend.backend(): _backend_version()}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    return {
        "versions": versions,
        "backend": keras.backend.backend(),
        "dtype_policy": keras.config.dtype_policy().name,
        "platform": platform.platform(),
        "processor": _processor(),
        "processors": _usable_processors(),
        "devices": _devices(),
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
        "git": _git(),
    }


def _backend_version() -> str | None:
    return getattr(sys.modules.get(keras.backend.backend()), "__version__", None)


def _usable_processors() -> int | None:
    if hasattr(os, "sched_getaffinity"):  # what a container or taskset leaves, not what the machine has
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def _processor() -> str | None:
    """Name of the processor's model."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
        return names[0]
    except (OSError, IndexError):
        return platform.processor() or None


def _devices() -> list[str]:
    """Names of the devices that the backend computes on, the processor left out."""
    try:
        backend = sys.modules[keras.backend.backend()]
        if keras.backend.backend() == "tensorflow":
            found = backend.config.list_physical_devices("GPU")
            return [f"{d.name} {backend.config.experimental.get_device_details(d).get('device_name', '')}".strip() for d in found]
        if keras.backend.backend() == "jax":
            return [f"{d} {d.device_kind}" for d in backend.devices() if d.platform != "cpu"]
        return [backend.cuda.get_device_name(i) for i in range(backend.cuda.device_count())]
    except Exception as error:  # the backends raise many kinds
        return [f"unknown: {type(error).__name__}: {error}"]


def _git() -> dict[str, Any] | None:
    """Commit of the current folder and whether tracked files differ from it; None outside a repository."""

    def ask(*words: str) -> str:
        done = subprocess.run(["git", *words], capture_output=True, text=True, timeout=_GIT_SECONDS, check=True, stdin=subprocess.DEVNULL)
        return done.stdout.strip()

    try:
        return {"commit": ask("rev-parse", "HEAD"), "changed": bool(ask("status", "--porcelain", "--untracked-files=no"))}
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
