"""Plots of data sets: what they show, read from the drawn figure."""

import numpy as np
import pytest

from mrcnn.visualize import distribution


def bars(figure):
    return [[bar.get_width() for bar in container] for container in figure.axes[0].containers]


def test_classes_are_drawn_the_commonest_first_and_those_without_any_left_out():
    figure = distribution.plot_classes(["hat", "shoe", "belt"], {"training": np.array([3, 9, 0])})
    assert bars(figure) == [[9, 3]] and [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["shoe", "hat"]
    assert "2 of 3" in figure.axes[0].get_title()


def test_several_series_are_drawn_as_shares():
    figure = distribution.plot_classes(["hat", "shoe"], {"all": np.array([25, 75]), "sample": np.array([5, 5])})
    assert bars(figure) == [[75, 25], [50, 50]]


def test_instances_an_image_are_shares_of_the_images():
    figure = distribution.plot_instances_per_image({"training": np.array([0, 1, 1, 3])}, limit=2)
    assert [patch.get_height() for patch in figure.axes[0].patches] == [25, 50, 0, 25]
    assert figure.axes[0].lines[0].get_xdata()[0] == 2.5


def test_sizes_have_a_line_an_anchor_scale():
    figure = distribution.plot_sizes({"training": np.array([10.0, 20, 40])}, scales=(8, 16, 32))
    assert [line.get_xdata()[0] for line in figure.axes[0].lines] == [8, 16, 32]
    assert sum(patch.get_height() for patch in figure.axes[0].patches) == pytest.approx(100)


def test_classes_together_are_shares_of_the_row():
    figure = distribution.plot_together(["hat", "shoe", "belt"], np.array([[2, 1, 0], [1, 4, 0], [0, 0, 0]]))
    assert figure.axes[0].images[0].get_array().tolist() == [[1, 0.25], [0.5, 1]]  # shoe first


def test_data_without_instances_are_drawn_empty():
    none = np.zeros(0, int)
    assert bars(distribution.plot_classes(["hat"], {"a": np.array([0])})) == [[0]]
    assert distribution.plot_instances_per_image({"a": none}).axes and distribution.plot_sizes({"a": none}).axes
    assert distribution.plot_together(["hat"], np.zeros((1, 1))).axes


def test_a_series_of_another_length_is_refused():
    with pytest.raises(ValueError, match="list of 2 numbers"):
        distribution.plot_classes(["hat", "shoe"], {"a": np.array([1])})
    with pytest.raises(ValueError, match="list of N numbers"):
        distribution.plot_sizes({})
    with pytest.raises(ValueError, match=r"\[1, 1\]"):
        distribution.plot_together(["hat"], np.zeros((2, 2)))
