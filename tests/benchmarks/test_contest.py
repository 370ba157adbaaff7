import pytest

from benchmarks import contest
from benchmarks.contest import Entry, Spread
from benchmarks.workers import Missing


class Scripted:
    """A worker whose times are written down."""

    def __init__(self, *seconds: float):
        self.order: list[float] = []
        self._seconds = iter(seconds)

    def run(self, task: str) -> dict:
        return {"seconds": next(self._seconds), "task": task}

    def peak(self) -> dict:
        return {"peak_mb": 7.0}


def test_spread_is_least_median_greatest():
    assert contest.spread([3.0, 1.0, 10.0, 2.0]) == Spread(1.0, 2.5, 10.0)
    assert f"{Spread(1.0, 2.5, 10.0):.1f}" == "2.5 (1.0 – 10.0)"


def test_the_first_call_is_not_among_the_rounds():
    entry = Entry("ours", Scripted(9.0, 1.0, 2.0), "detect")
    contest.play([entry], rounds=2)
    assert (entry.first, entry.seconds) == (9.0, [1.0, 2.0])


def test_times_are_divided_by_the_images_of_a_call():
    entry = Entry("ours", Scripted(8.0, 4.0), "detect", per=4)
    contest.play([entry], rounds=1)
    assert entry.seconds == [1.0]


def test_entries_take_turns():
    turns = []

    class Noting(Scripted):
        def run(self, task: str) -> dict:
            turns.append(task)
            return {"seconds": 1.0}

    contest.play([Entry("a", Noting(), "a"), Entry("b", Noting(), "b")], rounds=2)
    assert turns == ["a", "b"] * 3


def test_ratios_are_taken_within_a_round():
    ours, theirs = Entry("a", None, "a", seconds=[1.0, 4.0, 1.5]), Entry("b", None, "b", seconds=[2.0, 4.0, 2.0])
    assert contest.ratio(ours, theirs) == Spread(0.5, 0.75, 1.0)


def test_an_entry_says_all_in_its_dict():
    entry = Entry("ours", Scripted(9.0, 1.0), "detect")
    contest.play([entry], rounds=1)
    assert entry.to_dict() == {
        "name": "ours", "per": 1, "first_call_seconds": 9.0, "seconds": [1.0], "min": 1.0, "median": 1.0, "max": 1.0, "peak_mb": 7.0,
        "answers": [{"task": "detect"}],
    }  # fmt: skip


def test_a_contestant_that_can_not_start_is_said_and_skipped(capsys):
    def open_worker():
        raise Missing("No module named 'torch' (in /usr/bin/python)")

    notes: list[str] = []
    assert contest.optional("torchvision", notes, open_worker) is None
    assert notes == ["torchvision: skipped, No module named 'torch' (in /usr/bin/python)"]
    assert notes[0] in capsys.readouterr().out


def test_other_errors_of_a_contestant_are_not_hidden():
    with pytest.raises(ZeroDivisionError):
        contest.optional("torchvision", [], lambda: 1 / 0)
