"""Contestants in processes of their own, so that each has its interpreter, its peak memory and its thread pools.

The parent speaks one JSON line a command and gets one back. A contestant does nothing between commands, so several can stay alive and take turns.
Loads the standard library only: a worker may run in an interpreter that has neither NumPy's friends nor mrcnn.

    {"run": "detect"} -> {"seconds": 0.93, …what the task returned}      {"facts": true} -> {…}
    {"peak": true} -> {"peak_mb": 812.4, "cpu_seconds": 40.2, "idle_cpu_seconds": 0.01}
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent

#: The contests are about the processor, TensorFlow, and this checkout.
ENVIRONMENT = {"PYTHONPATH": str(ROOT), "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}


class Tasks(NamedTuple):
    """What a contestant offers: tasks by name, each a call that may return a dict of figures (other results are dropped), and facts about itself."""

    run: dict[str, Callable[[], Any]]
    facts: dict[str, Any]


class Missing(RuntimeError):
    """A contestant can't start because a package is not installed where it runs."""


class Failed(RuntimeError):
    """A contestant raised; the message holds its traceback."""


class Worker:
    """A contestant's process.

    Args:
        factory: "package.module:function"; the function takes the options and returns `Tasks`.
        options: Keyword arguments for it, as JSON can carry them.
        python: Interpreter.

    Raises:
        Missing: the factory needs a package that is not there, or there is no such interpreter.
        Failed: it raised something else.
    """

    def __init__(self, factory: str, options: dict[str, Any] | None = None, python: str = sys.executable):
        environment = {**os.environ, **ENVIRONMENT}
        command = [python, "-m", "benchmarks.workers", factory, json.dumps(options or {})]
        try:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
        except OSError as error:
            raise Missing(f"no interpreter {python}: {error}") from error
        self._read()

    def run(self, task: str) -> dict[str, Any]:
        """Run a task once; `seconds` of the answer is the time of the call alone."""
        return self._ask({"run": task})

    def facts(self) -> dict[str, Any]:
        """What the contestant says about itself."""
        return self._ask({"facts": True})

    def peak(self) -> dict[str, Any]:
        """Largest resident memory so far in MB, CPU seconds so far, and those it spent while it should have waited."""
        return self._ask({"peak": True})

    def close(self) -> None:
        """End the process."""
        if self._process.poll() is None:
            self._process.stdin.close()
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process.stdout.close()
        self._process.stderr.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, command: dict[str, Any]) -> dict[str, Any]:
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        line = self._process.stdout.readline()
        answer = json.loads(line) if line else {"error": f"the process ended with status {self._process.wait()}"}
        if "missing" in answer or "error" in answer:
            self.close()
            raise Missing(answer["missing"]) if "missing" in answer else Failed(answer["error"])
        return answer


def serve(factory: str, options: dict[str, Any]) -> None:
    """Be a contestant: build it, then answer commands until the parent closes the pipe."""
    answers = os.fdopen(os.dup(1), "w")
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)  # what libraries print must not mix with the answers,
    os.dup2(silence, 2)  # nor fill a pipe that nobody reads

    def answer(content: dict[str, Any]) -> None:
        answers.write(json.dumps(content) + "\n")
        answers.flush()

    try:
        module, name = factory.split(":")
        tasks = getattr(importlib.import_module(module), name)(**options)
    except ImportError as error:
        return answer({"missing": f"{error} (in {sys.executable})"})
    except Exception:
        return answer({"error": traceback.format_exc()})
    answer({"ready": True})
    idle, since = 0.0, time.process_time()
    for line in sys.stdin:
        idle += time.process_time() - since
        command = json.loads(line)
        try:
            if "run" in command:
                answer(_timed(tasks.run[command["run"]]))
            elif "peak" in command:
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
                answer({"peak_mb": peak, "cpu_seconds": time.process_time(), "idle_cpu_seconds": idle})
            else:
                answer(tasks.facts)
        except Exception:
            answer({"error": traceback.format_exc()})
        since = time.process_time()


def _timed(task: Callable[[], Any]) -> dict[str, Any]:
    start = time.perf_counter()
    figures = task()
    return {"seconds": time.perf_counter() - start, **(figures if isinstance(figures, dict) else {})}


if __name__ == "__main__":
    serve(sys.argv[1], json.loads(sys.argv[2]))
