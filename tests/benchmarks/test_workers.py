import pytest

from benchmarks.workers import Failed, Missing, Worker

FAKES = "tests.benchmarks.benchmark_fakes"


def test_a_worker_runs_its_tasks_and_keeps_their_state():
    with Worker(f"{FAKES}:counting", {"step": 3}) as worker:
        assert worker.facts() == {"step": 3}
        assert [worker.run("count")["calls"] for _ in range(2)] == [3, 6]
        assert worker.run("count")["seconds"] > 0


def test_what_a_task_prints_does_not_mix_with_the_answers():
    with Worker(f"{FAKES}:counting") as worker:
        assert "calls" not in worker.run("chatter")
        assert worker.run("count")["calls"] == 1


def test_a_worker_waits_without_using_the_processor():
    with Worker(f"{FAKES}:counting") as worker:
        worker.run("count")
        peak = worker.peak()
    assert peak["peak_mb"] > 1
    assert peak["idle_cpu_seconds"] <= peak["cpu_seconds"]


def test_a_missing_package_is_named_with_the_interpreter():
    with pytest.raises(Missing, match="a_package_that_nobody_has.*python"):
        Worker(f"{FAKES}:needs_what_is_not_there")


def test_a_missing_interpreter_is_named():
    with pytest.raises(Missing, match="/no/such/python"):
        Worker(f"{FAKES}:counting", python="/no/such/python")


def test_an_error_of_a_task_comes_back_with_its_traceback():
    with Worker(f"{FAKES}:counting") as worker, pytest.raises(Failed, match="ValueError: no such photo"):
        worker.run("fail")
