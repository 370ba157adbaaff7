"""What stands for a network where only its saving matters."""

import os

import keras
import numpy as np


class Weights:
    """Stands for a network: one weight, a file of some bytes."""

    optimizer, metrics_variables, non_trainable_variables = None, (), ()

    def __init__(self):
        self.trainable_variables = [keras.Variable(np.zeros(2, np.float32))]

    def save_weights(self, path):
        with open(path, "wb") as file:
            file.write(os.urandom(64))
