"""What is found on photos in the form of Kaggle's iMaterialist Fashion 2019: a CSV in which no pixel has two masks, checked."""

import os

import fashion_run
import numpy as np

from mrcnn.data import images
from mrcnn.data.formats import imaterialist, photos, submission, write_imaterialist, writing

SAID_EVERY = 100  # photos


def find(folder, output, overwrite):
    """Return the photos of a folder: {ImageId: path}. What would be refused after hours of detection is refused here.

    Raises:
        FileNotFoundError: no such folder, or no photo in it.
        ValueError: two photos differ by their suffix only, or the output is no CSV.
        FileExistsError: the output is there already.
    """
    if not output.endswith(".csv"):
        raise ValueError(f"--output {output}: a file with the suffix .csv is expected.")
    writing.refuse_existing(output, overwrite)
    paths = photos.within(folder)
    if not paths:
        what = "holds no photo" if os.path.isdir(folder) else "is no folder"
        raise FileNotFoundError(f"--image {folder} {what}: give the folder of the photos to submit, such as DATA/test.")
    found = {photos.stem(path): path for path in paths}
    if len(found) < len(paths):
        twice = next(path for path in paths if found[photos.stem(path)] != path)
        raise ValueError(f"{twice} and {found[photos.stem(twice)]} have the same ImageId: move one of them away.")
    return found


def categories_of(record):
    """Return {class id: category} of a run, as its data's own files number the classes.

    Raises:
        ValueError: the run was trained before runs kept them, and its data are gone or have other names.
    """
    if record.categories:
        return dict(enumerate(record.categories, start=1))
    if not record.dataset:  # the embedded scenes, which number their classes as the network does
        return {class_id: class_id for class_id in range(1, 1 + len(record.classes))}
    described = os.path.join(record.dataset, imaterialist.DESCRIPTIONS)
    if os.path.isfile(described):
        numbers = {name: number for number, name in imaterialist.read_descriptions(described)[0].items()}
        if all(name in numbers for name in record.classes):
            return {class_id: numbers[name] for class_id, name in enumerate(record.classes, start=1)}
    raise ValueError(
        f"The run does not say which category each class is, and {described} does not tell either. "
        f'Add to its {fashion_run.RECORD} "categories": the numbers of {", ".join(record.classes)}.'
    )


def write(path, paths, detect, categories, attributes=(), overwrite=False):
    """Detect on photos one by one, write the submission, and check it.

    Args:
        path: the .csv file.
        paths: {ImageId: path} of the photos.
        detect: function that returns the Detections of a photo [H, W, 3], masks at any size.
        categories: {class id: category}.
        attributes: [[id, name], …] of what the network tells of each, if it does.
        overwrite: replace the file.

    Raises:
        ValueError: a photo can't be read; nothing is written then. Or the file is not what it should be.
    """
    sizes = {}

    def found():
        for number, (name, photo_path) in enumerate(paths.items(), start=1):
            photo = images.read(photo_path)
            sizes[name] = photo.shape[:2]
            yield name, _planes(detect(photo), categories, attributes, *photo.shape[:2])
            if number % SAID_EVERY == 0 or number == len(paths):
                print(f"{number} of {len(paths)} photos", flush=True)

    written = write_imaterialist.write_submission(found(), path, overwrite)
    known = set(categories.values()) | {int(write_imaterialist.NOTHING_FOUND[1])}
    checked = submission.check(path, sizes, categories=known, attributes={number for number, _ in attributes}, classes=True)
    print(f"{path}: {checked.rows} lines of {checked.images} photos, {written.instances} garments; no overlaps, all runs in order and in range.")


def check(options):
    """Check any submission against the sizes of the photos."""
    paths = photos.within(options.image)
    if not paths:
        raise FileNotFoundError(f"--image {options.image} holds no photo: give the folder of the photos that the file has to tell of.")
    categories, attributes = imaterialist.read_descriptions(options.labels) if options.labels else (None, None)
    sizes = {os.path.basename(path): photos.size(path) for path in paths}
    checked = submission.check(options.submission, sizes, categories=categories, attributes=attributes, classes=True)
    print(f"{options.submission}: {checked.rows} lines of {checked.images} photos; no overlaps, all runs in order and in range.")


def _planes(found, categories, attributes, height, width):
    """Return the objects of a photo, the smallest first, each at the photo's own size."""
    told = found.attributes_above([number for number, _ in attributes] if attributes else None)
    for number in np.argsort(found.areas, kind="stable").tolist():
        class_id = int(found["class_ids"][number])
        text = write_imaterialist.class_text(categories[class_id], sorted(told[number]))
        yield write_imaterialist.Plane(class_id, text, fashion_run.rescaled_mask(found["masks"][:, :, number], height, width))
