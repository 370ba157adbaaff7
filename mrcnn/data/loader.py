"""Workers that load batches ahead of training, in threads or in processes.

Batch i of epoch e is a pure function of (seed, e, i), so workers need to know nothing of one another: whoever is free
takes the next, and what training gets does not depend on their number or kind. At most `queue` batches are on the way
or waiting. Workers never run ahead into the next epoch: what happens between two (a data set read for the mAP, say) has
the data set for itself.

Threads share the data set, and OpenCV and NumPy let them run side by side for most of an item. Processes are started
afresh (spawn): each imports the program's modules and gets a copy of the data set, so a data set's class must be at the
top level of a module, and the program's own work behind `if __name__ == "__main__":`.
"""

from __future__ import annotations

import atexit
import concurrent.futures
import faulthandler
import logging
import multiprocessing
import pickle
import queue as queues
import signal
import sys
import threading
import time
import traceback
from typing import Any, NamedTuple

import cv2
import numpy as np

from mrcnn.data import pipeline
from mrcnn.ops import rle

logger = logging.getLogger(__name__)

# Places among the arrays of a batch.
_IMAGE, _CLASS_IDS, _BOXES, _MASKS = 0, 4, 5, 6
_JOINING_SECONDS = 5
_TICK_SECONDS = 0.5  # between two looks whether a wait is still wanted


class WorkerError(RuntimeError):
    """A worker process could not start, or ended by itself."""


class Interrupted(RuntimeError):
    """Whoever waits for a batch was told to stop."""


class _Answer(NamedTuple):
    """A loaded batch on its way: full-size masks as run lengths, and what the worker has skipped."""

    arrays: list[Any]
    skipped: dict[int, str]


class Loader:
    """Batches of a `pipeline.Batches`, loaded ahead.

    Workers start with the first batch asked for and end with `close`.

    Attributes:
        batches: where the batches come from. Images that worker processes skip are counted there too.
    """

    def __init__(self, batches: pipeline.Batches, *, workers: int, processes: bool = False, queue: int = 4, timeout: float = 45) -> None:
        """Prepare; nothing is loaded yet.

        Args:
            batches: of training or validation.
            workers: at least 1.
            processes: worker processes in place of threads.
            queue: batches that are loaded ahead at most, the one asked for included.
            timeout: seconds after which a batch that is not there is reported, again and again: which images it is made of, and
                where the worker is.

        Raises:
            ValueError: no worker or no place in the queue; with processes: the data set, the configuration or the augmentation
                can't be sent to one.
        """
        if workers < 1 or queue < 1 or timeout <= 0:
            raise ValueError(f"workers and queue start at 1, timeout above 0; got {workers}, {queue} and {timeout}.")
        self.batches, self.workers, self.queue, self.timeout = batches, workers, queue, timeout
        self._payload = _payload(batches) if processes else None
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._tasks: queues.SimpleQueue[Any] = queues.SimpleQueue()
        self._ahead: dict[tuple[int, int], concurrent.futures.Future] = {}
        self._by: dict[tuple[int, int], int] = {}  # thread that a batch is being loaded by
        self._children: list[Any] = []
        self._closed = self._interrupted = False

    def __len__(self) -> int:
        """Return the batches an epoch."""
        return len(self.batches)

    def batch(self, epoch: int, index: int) -> list[np.ndarray]:
        """Return a batch, and have those after it loaded; see `pipeline.Batches.batch`.

        Raises:
            WorkerError: a worker process could not start or ended by itself; the images it was at are named.
            ValueError: as `pipeline.Batches.batch`.
        """
        with self._lock:
            if self._closed:
                raise RuntimeError("The loader is closed: training has ended.")
            self._start()
            wanted = [(epoch, i) for i in range(index, max(index + 1, min(index + self.queue, len(self.batches))))]
            for key in [key for key in self._ahead if key not in wanted]:
                self._ahead.pop(key).cancel()
            for key in wanted:
                if key not in self._ahead:
                    self._ahead[key] = concurrent.futures.Future()
                    self._tasks.put((key, self._ahead[key]))
            future = self._ahead.pop((epoch, index))
        answer = self._wait(future, epoch, index)
        self.batches.note_skipped(answer.skipped)
        return unpack(answer.arrays)

    def interrupt(self) -> None:
        """Have whoever waits for a batch wait no longer, from any thread: it gets an `Interrupted`."""
        self._interrupted = True

    def close(self) -> None:
        """End the workers. A thread that hangs is left behind; a process that does is ended."""
        with self._lock:
            self._closed = True
            for future in self._ahead.values():
                future.cancel()
            for _ in self._threads:
                self._tasks.put(None)
            until = time.monotonic() + _JOINING_SECONDS
            for thread in self._threads:
                thread.join(max(0.0, until - time.monotonic()))
            for child in self._children:
                child.kill()  # SIGTERM it doesn't hear, see `_serve`
                child.join()
                atexit.unregister(child.kill)
            self._threads, self._children, self._ahead = [], [], {}

    def _start(self) -> None:
        if not self._threads:
            for number in range(self.workers):
                name = f"loader-{number}"
                thread = threading.Thread(target=self._work, args=(self._tasks, name), name=name, daemon=True)  # a hung one must not keep the program
                self._threads.append(thread)
                thread.start()

    def _work(self, tasks: queues.SimpleQueue[Any], name: str) -> None:
        """Load what the queue asks for, in this thread or in a process that it speaks for."""
        child = None
        while (task := tasks.get()) is not None:
            (epoch, index), future = task
            if not future.set_running_or_notify_cancel():
                continue
            self._by[epoch, index] = threading.get_ident()
            try:
                if self._payload is None:
                    answer = _Answer(pack(self.batches.batch(epoch, index)), {})
                else:
                    child = child or self._new_child(name)
                    answer = child.ask(epoch, index, self.batches)
                future.set_result(answer)
            except BaseException as error:  # whatever it is, it belongs to whom waits for the batch
                future.set_exception(error)
            finally:
                self._by.pop((epoch, index), None)
        if child is not None:
            child.dismiss()

    def _new_child(self, name: str) -> _Child:
        child = _Child(self._payload, self.workers, self.timeout, name)
        self._children.append(child.process)
        return child

    def _wait(self, future: concurrent.futures.Future, epoch: int, index: int) -> _Answer:
        """Wait for a batch, and say so when it takes long."""
        begin = said = time.monotonic()
        while True:
            done, _ = concurrent.futures.wait([future], min(_TICK_SECONDS, self.timeout))
            if done:
                return future.result()
            if self._interrupted:
                raise Interrupted(f"Batch {index} of epoch {epoch} was not there when training was told to stop.")
            now = time.monotonic()
            if now - said >= self.timeout:
                said = now
                logger.error(
                    "Batch %d of epoch %d (%s) is not there after %.0f s, and training waits for it. Ctrl-C twice ends it. %s",
                    index, epoch, _images(self.batches, epoch, index), now - begin, self._where(epoch, index),
                )  # fmt: skip

    def _where(self, epoch: int, index: int) -> str:
        """Say what the worker of a batch is doing."""
        frame = sys._current_frames().get(self._by.get((epoch, index), 0))
        if self._payload is not None:
            return "Its process writes to stderr where it is."
        if frame is None:
            return "All workers are busy with others." if (epoch, index) not in self._by else "Its worker has ended."
        return "Its worker is at:\n" + "".join(traceback.format_stack(frame)[-6:])


def pack(arrays: list[np.ndarray]) -> list[Any]:
    """Return a batch with full-size masks as run lengths, a list an image: as planes they take up to 100 MB an image at 1024 px.

    Args:
        arrays: of `pipeline.Batches.batch`. Mini-masks stay.
    """
    masks = arrays[_MASKS] if len(arrays) > _MASKS else np.zeros(0)
    if masks.ndim != 4 or masks.shape[1:3] != arrays[_IMAGE].shape[1:3]:
        return arrays
    encoded = [rle.encode_coco(planes[..., ids != 0]) for planes, ids in zip(masks, arrays[_CLASS_IDS], strict=True)]
    return [*arrays[:_MASKS], encoded, *arrays[_MASKS + 1 :]]


def unpack(arrays: list[Any]) -> list[np.ndarray]:
    """Return what was packed."""
    if len(arrays) <= _MASKS or not isinstance(arrays[_MASKS], list):
        return arrays
    class_ids = arrays[_CLASS_IDS]
    masks = np.zeros((*arrays[_IMAGE].shape[:3], class_ids.shape[1]), bool)
    for planes, ids, boxes, encoded in zip(masks, class_ids, arrays[_BOXES], arrays[_MASKS], strict=True):
        for place, one in zip(np.flatnonzero(ids), encoded, strict=True):
            y1, x1, y2, x2 = boxes[place]  # neighbours in memory are other instances: writing the whole plane costs ten times as much
            planes[y1:y2, x1:x2, place] = rle.decode_coco(one)[y1:y2, x1:x2]
    return [*arrays[:_MASKS], masks, *arrays[_MASKS + 1 :]]


class _Child:
    """A worker process, and the one who speaks to it."""

    def __init__(self, payload: bytes, workers: int, timeout: float, name: str) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, payload, workers, timeout), name=name, daemon=True)
        self.process.start()
        atexit.register(self.process.kill)  # before multiprocessing's own end, which sends SIGTERM and waits
        theirs.close()  # so that its end is noticed

    def ask(self, epoch: int, index: int, batches: pipeline.Batches) -> _Answer:
        """Have a batch loaded."""
        try:
            self.connection.send((epoch, index))
            kind, content, trace = self.connection.recv()
        except (EOFError, OSError) as error:
            self.process.join(_JOINING_SECONDS)
            raise WorkerError(
                f"Worker process {self.process.name} ended (exit status {self.process.exitcode}) at batch {index} of epoch {epoch}: "
                f"{_images(batches, epoch, index)}. -9 is usually the system's, out of memory: set LOADER_WORKERS lower. If none ever loads a "
                "batch, the program may lack `if __name__ == \"__main__\":` around its work. LOADER_PROCESSES = False takes threads."
            ) from error
        if kind == "loaded":
            return content
        if kind == "not started":
            raise WorkerError(
                f"Worker process {self.process.name} could not start: {content}. Its data set's class must be at the top level of a module "
                "that can be imported; in a notebook put it into a .py file. LOADER_PROCESSES = False takes threads."
            )
        raise content from _Elsewhere(trace)

    def dismiss(self) -> None:
        """Tell it to end."""
        self.connection.close()


class _Elsewhere(Exception):  # noqa: N818 (a traceback, shown as the cause)
    """Where in a worker process an error was raised."""


def _serve(connection: Any, payload: bytes, workers: int, timeout: float) -> None:
    """Be a worker process: load what is asked for until nobody is there any more."""
    for number in (signal.SIGINT, signal.SIGTERM):  # a terminal, timeout, systemd tell the whole group: training handles it, and finishes its step
        signal.signal(number, signal.SIG_IGN)
    cv2.setNumThreads(1)  # there are other workers for the other cores
    logging.getLogger(pipeline.__name__).disabled = True  # what is skipped is logged once, by whom we work for
    known: set[int] = set()
    try:
        batches = pickle.loads(payload)
        part = batches.dataset
        while part is not None:  # a view of a view, perhaps
            if hasattr(part, "divide"):
                part.divide(workers)
            part = getattr(part, "whole", None)
    except BaseException as error:
        batches, failed = None, f"{type(error).__name__}: {error}"
    while True:
        try:
            epoch, index = connection.recv()
        except EOFError:
            return
        if batches is None:
            connection.send(("not started", failed, ""))
            continue
        faulthandler.dump_traceback_later(timeout, repeat=True)
        try:
            arrays = pack(batches.batch(epoch, index))
            new = {image_id: reason for image_id, reason in batches.skipped.items() if image_id not in known}
            known.update(new)
            answer = ("loaded", _Answer(arrays, new), "")
        except Exception as error:
            answer = ("failed", _sendable(error), traceback.format_exc())
        finally:
            faulthandler.cancel_dump_traceback_later()
        try:
            connection.send(answer)
        except BrokenPipeError:  # nobody waits any more
            return


def _sendable(error: Exception) -> Exception:
    """Return the error, or one that says the same where it can't travel."""
    try:
        again = pickle.loads(pickle.dumps(error))
        return error if str(again) == str(error) else RuntimeError(f"{type(error).__name__}: {error}")
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")


def _payload(batches: pipeline.Batches) -> bytes:
    try:
        return pickle.dumps(batches)
    except Exception as error:
        raise ValueError(
            f"The data set, the configuration or the augmentation can't be sent to worker processes: {type(error).__name__}: {error}. Classes and "
            "functions must be at the top level of a module, and hold no open files. LOADER_PROCESSES = False takes threads."
        ) from error


def _images(batches: pipeline.Batches, epoch: int, index: int) -> str:
    """Name the images of a batch, as far as they are known without loading them."""
    ids = [batches.image_at(epoch, position) for position in batches.positions(index)]
    return f"image{'s' if len(ids) > 1 else ''} {', '.join(map(str, ids))}"
