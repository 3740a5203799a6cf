"""Trains the networks of `steps.py` with one form of one Python library, told what to do line by line.

    python benches/peers/worker.py FORM --data DIR --threads N --device cpu|cuda --started SECONDS

Standard input has one command a line, standard output one line of JSON for each:

    prepare NAME SIZES BATCH   builds the network (sizes joined by "-"), runs its first step, warms up
                               -> {"first_step_seconds": ..., "loss": ..., "versions": {...}}
    run NAME SECONDS           trains for about so long -> {"steps": ..., "seconds": ..., "loss": ...}

The first step is counted from `--started`, a time of `time.time()`. `burn/` and `tfjs/` speak the same.
"""

import argparse
import importlib
import json
import math
import os
import sys
import time

import numpy as np

# Where a form is: a module beside this file, and a class in it. Each has `chunk`, the steps that it runs at a time;
# `run(chunks)`, which may return before they are done; and `loss()`, which waits for them.
FORMS = {
    "jax-scan": ("with_jax", "Scan"),
    "jax-step": ("with_jax", "Step"),
    "torch-eager": ("with_torch", "Eager"),
    "torch-compile": ("with_torch", "Compiled"),
    "torch-graph": ("with_torch", "Graph"),
    "torch-graphs": ("with_torch", "GraphOfSteps"),
    "keras-fit": ("with_keras", "KerasFit"),
}
# A warm-up lasts about so long.
WARM_UP_SECONDS = 0.3


def read(directory):
    """Images as bytes `[samples, pixels]` and labels `[samples]`, from two IDX files."""
    images = np.fromfile(os.path.join(directory, "train-images-idx3-ubyte"), np.uint8, offset=16)
    labels = np.fromfile(os.path.join(directory, "train-labels-idx1-ubyte"), np.uint8, offset=8)
    return images.reshape(len(labels), -1), labels


class Timed:
    """A form with what its last run told about its speed."""

    def __init__(self, form):
        self.form = form
        self.chunk_seconds = None

    def run(self, chunks):
        start = time.perf_counter()
        self.form.run(chunks)
        loss = self.form.loss()
        seconds = time.perf_counter() - start
        self.chunk_seconds = seconds / chunks
        return {"steps": chunks * self.form.chunk, "seconds": seconds, "loss": loss}

    def run_for(self, seconds):
        return self.run(max(1, round(seconds / self.chunk_seconds)))


def prepare(make, sizes, batch):
    form = make(tuple(int(size) for size in sizes.split("-")), int(batch))
    timed = Timed(form)
    form.first()
    form.loss()
    ready = time.time()
    # What comes first may compile, or start threads.
    timed.run(1)
    return timed, ready, timed.run_for(WARM_UP_SECONDS)["loss"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("form", choices=FORMS)
    parser.add_argument("--data", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--started", type=float, required=True)
    arguments = parser.parse_args()
    # What a library prints must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    images, labels = read(arguments.data)
    module, name = FORMS[arguments.form]
    library = importlib.import_module(module)
    library.set_up(arguments.threads, arguments.device)
    make = lambda sizes, batch: getattr(library, name)(images, labels, sizes, batch)
    networks = {}
    for line in sys.stdin:
        match line.split():
            case ["prepare", network, sizes, batch]:
                networks[network], ready, loss = prepare(make, sizes, batch)
                answer = {"first_step_seconds": ready - arguments.started, "loss": loss, "versions": library.versions()}
            case ["run", network, seconds]:
                answer = networks[network].run_for(float(seconds))
            case _:
                raise SystemExit(f"not a command: {line!r}")
        assert math.isfinite(answer["loss"]), f"{arguments.form}: the loss is {answer['loss']}"
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
