"""Writes loss_scale.json: what Keras' LossScaleOptimizer makes of given gradients, some of them not
finite, around Adam (with and without clipping) and SGD with momentum, in float64.

    KERAS_BACKEND=torch python loss_scale.py
"""

import json
import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np

GROWTH_STEPS = 3
INITIAL_SCALE = 2.0**15
STEPS = 14
# Steps, from 0, whose gradients are beyond all numbers, or no numbers. The first one is among them.
INFINITE = {0, 5, 6}
NO_NUMBER = {9}


def optimizers():
    yield "adam", keras.optimizers.Adam(0.01)
    yield "adam_clipped", keras.optimizers.Adam(0.01, global_clipnorm=0.5)
    yield "amsgrad", keras.optimizers.Adam(0.01, amsgrad=True)
    yield "sgd", keras.optimizers.SGD(0.01, momentum=0.9)
    yield "rms_prop", keras.optimizers.RMSprop(0.01)
    yield "adagrad", keras.optimizers.Adagrad(0.01)


def main():
    random = np.random.default_rng(0)
    begin = random.uniform(-1, 1, 5)
    gradients = random.uniform(-1, 1, (STEPS, 5))
    runs = []
    for name, inner in optimizers():
        optimizer = keras.optimizers.LossScaleOptimizer(
            inner, initial_scale=INITIAL_SCALE, dynamic_growth_steps=GROWTH_STEPS
        )
        variable = keras.Variable(begin, dtype="float64")
        optimizer.build([variable])
        steps = []
        for step in range(STEPS):
            scale = float(optimizer.dynamic_scale)
            # What backpropagation would make of a scaled loss.
            scaled = gradients[step] * scale
            if step in INFINITE:
                scaled[3] = np.inf
            if step in NO_NUMBER:
                scaled[1] = np.nan
            optimizer.apply([keras.ops.convert_to_tensor(scaled, dtype="float64")], [variable])
            steps.append(
                {
                    "scale": float(optimizer.dynamic_scale),
                    "finite_steps": int(optimizer.step_counter),
                    "updates": int(inner.iterations),
                    "weights": keras.ops.convert_to_numpy(variable.value).tolist(),
                }
            )
        runs.append({"optimizer": name, "steps": steps})
    text = {
        "keras": keras.__version__,
        "growth_steps": GROWTH_STEPS,
        "begin": begin.tolist(),
        "gradients": gradients.tolist(),
        "infinite": sorted(INFINITE),
        "no_number": sorted(NO_NUMBER),
        "runs": runs,
    }
    with open(os.path.join(os.path.dirname(__file__), "loss_scale.json"), "w") as file:
        json.dump(text, file, indent=1)
        file.write("\n")


main()
