import numpy as np
import pytest

from mrcnn.visualize import evaluation_curves

RECALLS = np.linspace(0, 1, 101)


def test_a_line_for_each_iou_is_the_mean_over_classes_with_instances():
    precisions = np.stack([np.full((101, 3), 0.8), np.full((101, 3), 0.4)])
    precisions[:, :, 1] = 0.2
    precisions[:, :, 2] = np.nan
    ax = evaluation_curves.plot_precision_recall(RECALLS, precisions, (0.5, 0.75)).axes[0]
    assert [line.get_ydata()[0] for line in ax.lines] == pytest.approx([0.5, 0.3])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["IoU 0.50: 0.500", "IoU 0.75: 0.300"]


def test_classes_without_instances_have_no_line_and_the_best_come_first():
    lines = {"cat": np.full(101, 0.3), "dog": np.full(101, 0.9), "cow": np.full(101, np.nan)}
    ax = evaluation_curves.plot_classes(RECALLS, lines).axes[0]
    assert [line.get_label() for line in ax.lines] == ["dog: 0.900", "cat: 0.300"]
    assert evaluation_curves.plot_classes(RECALLS, {"cow": lines["cow"]}).axes[0].get_legend() is None


def test_the_plot_shows_so_many_classes_and_says_so():
    lines = {str(i): np.full(101, i / 100) for i in range(40)}
    ax = evaluation_curves.plot_classes(RECALLS, lines, title="t").axes[0]
    assert len(ax.lines) == evaluation_curves.MAX_CLASSES and ax.get_title() == "t (30 of 40 classes)"


def test_confusion_shows_shares_of_rows_and_the_classes_there_are():
    counts = np.array([[0, 1, 0, 0], [1, 3, 0, 0], [0, 0, 0, 0], [0, 1, 0, 1]])
    ax = evaluation_curves.plot_confusion(["BG", "cat", "dog", "cow"], counts).axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["background", "cat", "cow"]
    assert ax.images[0].get_array().tolist() == [[0, 1, 0], [0.25, 0.75, 0], [0, 0.5, 0.5]]
    assert sorted(text.get_text() for text in ax.texts) == ["1", "1", "1", "1", "3"]
    with pytest.raises(ValueError, match="a row a class"):
        evaluation_curves.plot_confusion(["BG"], counts)
