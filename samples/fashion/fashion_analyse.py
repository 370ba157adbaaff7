"""What the photos of training hold, in tables and plots, and whether a sample of them holds the same."""

import csv
import os
import sys

import numpy as np

from mrcnn.data import splits, statistics


def analyse(dataset, folder, size=None, seed=0):
    """Write tables and plots of a data set, and of a stratified sample beside it.

    Args:
        dataset: prepared; the masks of every image are read once.
        folder: where to write: classes.csv, images.csv, instances.csv, together.csv and plots; with a sample also sample.csv.
        size: images of the sample, see `mrcnn.data.splits.sample`; None: no sample.
        seed: of the sample.

    Raises:
        ValueError: no image can be read, or a size below 1.
    """
    found = statistics.gather(dataset, _say if sys.stderr.isatty() else None)
    if not len(found.image_ids):
        raise ValueError("The masks of no image can be read; see the messages above.")
    os.makedirs(folder, exist_ok=True)
    series = {"all": found}
    report = None
    if size is not None:
        subset, report = splits.sample(dataset, size, seed)
        series["sample"] = found.of_images(subset.whole_ids)
    for name, data in series.items():
        print(f"\n{name}: {len(data.image_ids)} images, {len(data.class_ids)} instances\n")
        there = [row for row in data.table() if row[1]]
        print(as_text(["class", "images", "instances", "share", "10 %", "area 50 %", "90 %", *statistics.SIZES], there))
        print(f"{len(data.class_names) - 1 - len(there)} classes have no instance.")
        _write(folder, "classes.csv" if name == "all" else "classes_sample.csv", statistics.COLUMNS, data.table())
    _write_images(folder, dataset, found)
    if report is not None:
        print(f"\n{report}")
        rows = zip(report.class_names, report.images[:, 0], report.images[:, 1], report.deviation, report.relative_deviation, strict=True)
        columns = ("class", "images in sample", "images left out", "deviation, images", "relative deviation")
        _write(folder, "sample.csv", columns, [[name, a, b, round(float(c), 3), round(float(d), 5)] for name, a, b, c, d in rows])
        print(instance_deviation(series["all"], series["sample"]))
    _plot(folder, series)
    print(f"\nTables and plots: {folder}")


def instance_deviation(whole, part):
    """Say the largest difference of a class's share of all instances, which a sample of images keeps even only by way of them."""
    shares = [data.instances_per_class[1:] / max(1, data.instances_per_class.sum()) for data in (whole, part)]
    if not len(shares[0]):
        return "There are no classes."
    worst = int(np.argmax(np.abs(shares[1] - shares[0])))
    name = whole.class_names[1 + worst]
    return f"Largest difference of a share of the instances: {name}, {shares[0][worst]:.2%} of all, {shares[1][worst]:.2%} of the sample."


def as_text(columns, rows):
    """Lay a table out: the first column to the left, the others to the right."""
    cells = [[str(cell) for cell in row] for row in [columns, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    lines = ["  ".join(c.rjust(w) if i else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))) for row in cells]
    return "\n".join(line.rstrip() for line in lines)


def _write_images(folder, dataset, found):
    """Write a line an image, a line an instance, and which classes come together."""
    names = [dataset.image_info[image_id]["id"] for image_id in found.image_ids]
    _write(folder, "images.csv", ("image", "instances"), zip(names, found.instances_per_image.tolist(), strict=True))
    rows = zip(found.image_of, found.class_ids, found.sizes, found.areas, strict=True)
    columns = ("image", "class", "height", "width", "area")
    _write(folder, "instances.csv", columns, [[names[i], found.class_names[k], *size.tolist(), int(area)] for i, k, size, area in rows])
    together, classes = found.together()[1:, 1:], found.class_names[1:]
    _write(folder, "together.csv", ("class", *classes), [[name, *row.tolist()] for name, row in zip(classes, together, strict=True)])


def _write(folder, name, columns, rows):
    with open(os.path.join(folder, name), "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)


def _plot(folder, series):
    # It loads matplotlib, which the other commands need not wait for.
    from mrcnn.visualize import distribution

    classes = series["all"].class_names[1:]
    plots = {
        "classes.png": distribution.plot_classes(classes, {name: data.instances_per_class[1:] for name, data in series.items()}),
        "images_of_classes.png": distribution.plot_classes(
            classes, {name: data.images_per_class[1:] for name, data in series.items()}, quantity="images"
        ),
        "instances_per_image.png": distribution.plot_instances_per_image({name: data.instances_per_image for name, data in series.items()}),
        "sizes.png": distribution.plot_sizes({name: np.sqrt(data.sizes.prod(axis=1)) for name, data in series.items()}),
    }
    for name, data in series.items():
        plots["together.png" if name == "all" else "together_sample.png"] = distribution.plot_together(classes, data.together()[1:, 1:])
    for name, figure in plots.items():
        figure.savefig(os.path.join(folder, name), dpi=110)


def _say(done, total):
    print(f"\r{done} of {total} images", end="\n" if done == total else "", file=sys.stderr, flush=True)
