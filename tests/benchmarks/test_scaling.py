import pytest

from benchmarks import scaling


def rows(x, y):
    return [{"x": a, "set": a, "seconds": b, "peak_mb": 100.0 + a} for a, b in zip(x, y, strict=True)]


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_the_exponent_of_a_power_is_the_power(power):
    x = [1, 3, 10, 30]
    assert scaling.exponent(x, [2 * v**power for v in x]) == pytest.approx(power)


def test_what_is_quadratic_shows_in_the_last_step_first():
    x = [10, 100, 1000]
    whole, last = scaling.exponents(rows(x, [1 + 1e-4 * v**2 for v in x]))["seconds"]
    assert whole < scaling.LINEAR < last


def test_fixed_costs_make_the_exponent_smaller():
    assert max(scaling.exponents(rows([1, 2, 4], [1.1, 1.2, 1.4]))["seconds"]) < 0.3


def test_a_straight_line_has_no_bend_whatever_its_fixed_cost():
    assert scaling.bend([1, 2, 10], [101, 102, 110]) == pytest.approx(1)
    assert scaling.bend([0, 50, 100], [7, 7 + 2500, 7 + 10000]) == pytest.approx(1.5)


def test_the_picture_is_written(tmp_path):
    curve = {"unit": "pixels", "points": rows([16, 256], [1.0, 2.0])}
    scaling.plot({"image size": {**curve, **scaling.exponents(curve["points"])}}, tmp_path / "images" / "scaling.png")
    assert (tmp_path / "images" / "scaling.png").stat().st_size > 10_000


def test_a_step_worse_than_linear_is_noted(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(scaling, "point", lambda axis, x, rounds: {"x": x, "set": x, "seconds": float(x) ** 2, "peak_mb": 100.0 + x})
    notes: list[str] = []
    figures = scaling.run(scaling.Namespace(rounds=1, plot=tmp_path / "s.png"), notes)
    assert notes[0].startswith("scaling: seconds against image size is worse than linear: 2.00")
    assert figures["classes"]["more_mb"] == 1204 - 81
