"""Writes training.json: a training in mixed precision, computed with numpy in float64, where what layers
make, its gradients and the inputs are rounded to float16 whenever they are stored.

    pip install numpy==2.4.6
    python generate.py
"""

import json
import os

import numpy as np

SIZES = [6, 7, 3]
BATCH = 4
STEPS = 6
LEARNING_RATE = 0.25
SCALE = 2.0**15


def half(x):
    return x.astype(np.float16).astype(np.float64)


def main():
    random = np.random.default_rng(3)
    # What float32 holds exactly; float16 does not hold all of the features.
    single = lambda x: x.astype(np.float32).astype(np.float64)
    weights = [single(random.uniform(-1, 1, pair)) for pair in zip(SIZES, SIZES[1:])]
    biases = [single(random.uniform(-1, 1, units)) for units in SIZES[1:]]
    features = single(random.uniform(-2, 2, (BATCH * STEPS, SIZES[0])))
    labels = random.integers(0, SIZES[-1], BATCH * STEPS)
    begin = {"weights": [w.tolist() for w in weights], "biases": [b.tolist() for b in biases]}
    scale, steps = SCALE, []
    for step in range(STEPS):
        rows = slice(step * BATCH, (step + 1) * BATCH)
        x, label = half(features[rows]), labels[rows]
        # In the second step the loss counts so much that its gradient is beyond float16.
        loss_weight = 16.0 if step == 1 else 1.0
        hidden = half(np.maximum(x @ weights[0] + biases[0], 0))
        logits = half(hidden @ weights[1] + biases[1])
        shifted = logits - logits.max(axis=1, keepdims=True)
        powers = np.exp(shifted)
        probabilities = powers / powers.sum(axis=1, keepdims=True)
        losses = np.log(powers.sum(axis=1)) - shifted[np.arange(BATCH), label]
        with np.errstate(over="ignore", invalid="ignore"):
            gradient = probabilities.copy()
            gradient[np.arange(BATCH), label] -= 1
            of_logits = half(gradient * (loss_weight * scale) / BATCH)
            of_hidden = half((of_logits @ weights[1].T) * (hidden > 0))
            of_weights = [x.T @ of_hidden / scale, hidden.T @ of_logits / scale]
            of_biases = [of_hidden.sum(axis=0) / scale, of_logits.sum(axis=0) / scale]
        finite = all(np.isfinite(g).all() for g in of_weights + of_biases)
        if finite:
            for values, gradients in [(weights, of_weights), (biases, of_biases)]:
                for i, g in enumerate(gradients):
                    values[i] = values[i] - LEARNING_RATE * g
        else:
            scale /= 2
        steps.append(
            {
                "loss": float(loss_weight * losses.mean()),
                "hidden": hidden.tolist(),
                "logits": logits.tolist(),
                "scale": scale,
                "weights": [w.tolist() for w in weights],
                "biases": [b.tolist() for b in biases],
            }
        )
    text = {
        "learning_rate": LEARNING_RATE,
        "begin": begin,
        "features": features.tolist(),
        "labels": labels.tolist(),
        "steps": steps,
    }
    with open(os.path.join(os.path.dirname(__file__), "training.json"), "w") as file:
        json.dump(text, file, indent=1)
        file.write("\n")



main()
