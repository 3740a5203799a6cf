"""Keras: `fit` on its JAX backend, 50 steps an execution."""

import os

os.environ["KERAS_BACKEND"] = "jax"

import jax
import keras
import numpy as np


def set_up(threads, device):
    # As in `with_jax.py`.
    del threads
    jax.config.update("jax_platforms", device)
    keras.utils.set_random_seed(0)


def versions():
    return {"keras": keras.__version__, "jax": jax.__version__}


class KerasFit:
    """Its arrays are f32 already, as in Keras' examples. A chunk is one call of `fit`."""

    def __init__(self, images, labels, sizes, batch):
        # Few steps where each takes long, else so many that what `fit` does once counts little.
        self.chunk = 50 if batch * sizes[1] >= 1 << 17 else min(400, len(images) // batch)
        samples = self.chunk * batch
        self.images = images[:samples].astype(np.float32) / 255
        self.labels = labels[:samples].astype(np.int32)
        self.batch = batch
        layers = [keras.layers.Dense(units, activation="relu") for units in sizes[1:-1]]
        layers.append(keras.layers.Dense(sizes[-1], activation="softmax"))
        self.model = keras.Sequential([keras.Input(sizes[:1]), *layers])
        self.model.compile("adam", "sparse_categorical_crossentropy", steps_per_execution=50)
        self.history = None

    def first(self):
        self.run(1)

    def run(self, chunks):
        options = {"batch_size": self.batch, "shuffle": False, "verbose": 0}
        self.history = self.model.fit(self.images, self.labels, epochs=chunks, **options)

    def loss(self):
        return float(self.history.history["loss"][-1])
