"""Contestants that need nothing, for the tests of the machinery."""

import os

from benchmarks.workers import Tasks


def counting(step: int = 1) -> Tasks:
    """A task that counts its calls, one that prints, one that raises."""
    calls = []

    def count() -> dict[str, int]:
        calls.append(step)
        return {"calls": sum(calls)}

    def chatter() -> None:
        print("this is no answer")
        os.write(1, b"nor is this\n")

    def fail() -> None:
        raise ValueError("no such photo")

    return Tasks({"count": count, "chatter": chatter, "fail": fail}, {"step": step})


def needs_what_is_not_there() -> Tasks:
    """A factory whose package is missing."""
    import a_package_that_nobody_has  # noqa: F401

    return Tasks({}, {})
