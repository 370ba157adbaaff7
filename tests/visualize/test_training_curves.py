"""Curves of one run and of several, as figures for a file."""

import math

import cv2
import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot as plt

from mrcnn.visualize import training_curves as curves


def run(epochs=6, **columns):
    numbers = np.arange(1, epochs + 1)
    found = {"epoch": numbers}
    for name in curves.LOSSES:
        found |= {name: 2.0 / numbers, f"val_{name}": 2.5 / numbers}
    return found | {"val_mean_average_precision": numbers / 10, "learning_rate": np.full(epochs, 1e-3)} | columns


def by_title(figure):
    return {ax.get_title(): ax for ax in figure.axes}


def lines(ax):
    return {line.get_label(): line for line in ax.lines}


def test_a_run_has_a_panel_a_loss_one_for_map_and_one_for_the_learning_rate():
    panels = by_title(curves.draw_run(run(), title="cells"))
    assert list(panels) == [
        "total loss", "RPN class loss", "RPN box loss", "mean average precision, IoU 0.5", "class loss", "box loss", "mask loss", "learning rate",
    ]  # fmt: skip
    for heading in curves.LOSSES.values():
        drawn = lines(panels[heading])
        np.testing.assert_allclose(drawn["training"].get_ydata(), 2.0 / np.arange(1, 7))
        np.testing.assert_allclose(drawn["validation"].get_ydata(), 2.5 / np.arange(1, 7))
    assert "best: 0.600 at epoch 6" in lines(panels["mean average precision, IoU 0.5"])


def test_training_and_validation_differ_in_grey_and_in_form():
    drawn = lines(by_title(curves.draw_run(run()))["total loss"])
    grey = [np.dot(matplotlib.colors.to_rgb(drawn[name].get_color()), (0.299, 0.587, 0.114)) for name in ("training", "validation")]
    assert grey[1] - grey[0] > 0.25
    assert drawn["training"].get_linestyle() == "-" != drawn["validation"].get_linestyle()


def test_stages_are_lines_between_epochs_and_names():
    figure = curves.draw_run(run(), [(0, "heads"), (2, "all"), (6, "nothing yet")])
    for ax in figure.axes:
        upright = {line.get_xdata()[0] for line in ax.lines if len({*line.get_xdata()}) == 1 < len(line.get_xdata())}
        assert upright == {2.5, 6.5}
    assert [text.get_text() for text in figure.axes[0].texts] == ["heads", "all"]


def test_names_of_short_stages_do_not_cover_each_other_nor_leave_the_panel():
    figure = curves.draw_run(run(9), [(0, "heads"), (1, "mrcnn_.*|rpn_.*"), (2, "4+"), (3, "all"), (8, "everything, all of it")])
    panel = figure.axes[0]
    extents = [text.get_window_extent() for text in panel.texts]
    assert len(extents) == 5
    for number, one in enumerate(extents):
        assert panel.get_window_extent().x0 <= one.x0 and one.x1 <= panel.get_window_extent().x1 + 1
        assert not any(one.overlaps(other) for other in extents[:number])


def test_gaps_and_absent_figures_are_no_lines():
    table = {"epoch": [1, 2, 3], "loss": [3.0, math.nan, math.inf], "val_loss": [math.nan] * 3}
    panels = by_title(curves.draw_run(table))
    assert list(lines(panels["total loss"])) == ["training"]
    assert np.isnan(lines(panels["total loss"])["training"].get_ydata()[1:]).all()
    assert [text.get_text() for text in panels["mask loss"].texts] == ["no figures"]


def test_one_epoch_is_a_point():
    drawn = lines(by_title(curves.draw_run(run(1)))["total loss"])
    assert drawn["training"].get_marker() == "o"


def test_losses_of_very_different_size_get_a_logarithmic_scale():
    panels = by_title(curves.draw_run(run(3, loss=[900.0, 3.0, 2.0])))
    assert (panels["total loss"].get_yscale(), panels["mask loss"].get_yscale()) == ("log", "linear")


def test_what_is_almost_nothing_does_not_stretch_a_logarithmic_scale():
    bottom, top = by_title(curves.draw_run(run(3, loss=[10.0, 1.0, 1e-10])))["total loss"].get_ylim()
    assert bottom == pytest.approx(1e-3) and top >= 10


def test_best_is_the_first_of_equals_and_passes_over_nan():
    table = {"epoch": [1, 2, 3, 4], "a": [math.nan, 0.5, 0.5, 0.25]}
    assert curves.best(table, "a", max) == (0.5, 2) and curves.best(table, "a", min) == (0.25, 4)
    with pytest.raises(ValueError):
        curves.best({"epoch": [1], "a": [math.nan]}, "a", max)


def test_map_has_two_names():
    assert curves.map_name({"val_mean_average_precision": [0.1], "val_map": [0.2]}) == "val_map"
    assert curves.map_name({"val_mean_average_precision": [0.1], "val_map": [math.nan]}) == "val_mean_average_precision"
    assert curves.map_name({"loss": [1.0]}) is None


def test_several_runs_are_over_one_another_each_in_its_own_way():
    runs = {f"run {i}": run(3 + i, loss=np.full(3 + i, float(i + 1))) for i in range(9)}
    panels = by_title(curves.draw_runs(runs))
    drawn = lines(panels["total loss"])
    assert [name for name in drawn if name.startswith("run")] == list(runs)
    assert len({(drawn[name].get_color(), str(drawn[name].get_linestyle())) for name in runs}) == 9
    assert len(drawn["run 8"].get_xdata()) == 11
    assert panels["learning rate"].get_xlim() == (0.5, 11.5)


def test_a_run_without_validation_is_named_by_its_training():
    panels = by_title(curves.draw_runs({"one": {"epoch": [1, 2], "loss": [2.0, 1.0]}, "two": run(2)}))
    assert {"one", "two"} <= set(lines(panels["total loss"]))


@pytest.mark.parametrize("table", [{}, {"epoch": []}, {"loss": [1.0]}])
def test_no_epoch_is_an_error(table):
    with pytest.raises(ValueError, match="column 'epoch' with at least one row"):
        curves.draw_run(table)
    with pytest.raises(ValueError, match="column 'epoch'"):
        curves.draw_runs({"a": table})


def test_no_run_is_an_error():
    with pytest.raises(ValueError, match="no run to draw"):
        curves.draw_runs({})


def test_the_picture_is_1600_wide_and_leaves_pyplot_alone():
    before = plt.get_fignums()
    picture = cv2.imdecode(np.frombuffer(curves.png(curves.draw_run(run())), np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (900, 1600, 3) and (picture < 128).any() and plt.get_fignums() == before
