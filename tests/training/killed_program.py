"""A training that kills itself: python killed_program.py FOLDER [fsync:N | replace:N | batch:N | seconds:S]. Resumes; prints DONE, epochs, a sum.

fsync and replace are the two moments at which a checkpoint is partly written: before its content is safe, and before it takes its name.
"""

import hashlib
import os
import signal
import sys
import threading

import numpy as np
import tiny


class Config(tiny.TinyConfig):
    DETERMINISTIC = True
    STEPS_PER_EPOCH = 3
    VALIDATION_STEPS = 1
    NUM_ATTRIBUTES = 2  # the attribute head's weights and moments are resumed like all others


class Labelled(tiny.Squares):
    """Squares are red, discs are round."""

    def __init__(self, count):
        super().__init__(count)
        self.attribute_names = {0: "red", 1: "round"}

    def load_attributes(self, image_id):
        return np.eye(2)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(moment: str):
    """Arrange for the end; returns a callback."""
    import keras

    kind, number = moment.split(":")
    left = [float(number)]

    def count() -> None:
        left[0] -= 1
        if left[0] == 0:
            die()

    class Batches(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if kind == "batch":
                count()

        def on_train_batch_begin(self, batch, logs=None):
            if kind == "seconds" and left[0] > 0:  # from the first step on: what comes before takes most of the time
                threading.Timer(left[0], die).start()
                left[0] = 0

    if kind in ("fsync", "replace"):
        usual = getattr(os, kind)

        def counted(*args):
            count()
            return usual(*args)

        setattr(os, kind, counted)
    return Batches()


def main(folder: str, moment: str = "batch:-1") -> None:
    import keras

    from mrcnn.mask_rcnn import MaskRCNN

    # Both judge by a figure that never gets better by as much as they want: they act, and what they remember is all that moves them.
    plateau = keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=1, min_delta=100.0)
    early = keras.callbacks.EarlyStopping("val_loss", patience=2, min_delta=100.0)
    callbacks = [plateau, early, arm(moment)]
    model = MaskRCNN("training", Config(), folder)
    try:
        model.load_initial_weights("last")
    except FileNotFoundError:
        model.load_initial_weights("none")
    model.fit_stages(Labelled(5), Labelled(4), "heads:1e-2:1,all:1e-3:4:cosine", custom_callbacks=callbacks)
    values = b"".join(w.tobytes() for w in model.keras_model.get_weights())
    print(f"DONE {model.epoch} {hashlib.sha256(values).hexdigest()}")


if __name__ == "__main__":
    main(*sys.argv[1:])
