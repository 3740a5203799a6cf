"""How fast other libraries deliver shuffled batches of images from memory, beside this one.

    python3 -m venv /tmp/peers && /tmp/peers/bin/pip install -r benches/peers/requirements.txt
    /tmp/peers/bin/python benches/peers/loaders.py [--json FILE] [--rounds 3] [--seconds 2] [--without-ours]

60,000 images of 784 random bytes lie in memory; an epoch delivers each of them once, in a new random order, in batches
of 128, without labels. Several forms of each of PyTorch's DataLoader, tf.data and Grain are tried, from what their
guides show to the fastest that we found, with and without workers; the fastest form of each library is what counts.
Forms "by hand" are those whose order and batches are the user's own lines of PyTorch, TensorFlow or NumPy, which the
library merely runs. `cargo bench --bench loader --features noop -- --json` measures this library's loader; it is expected to print
`{"results": [{"form": "arrays", "workers": 1, "samples_per_second": ...}, ...]}`, of which arrays with 1 worker are compared. Progress goes
to standard error: the slow forms take long on a busy machine.

Each library has a process of its own, so that none is disturbed by another's threads, and they take turns in every
round, so that other load of the machine meets all of them. A round of a form is as many whole epochs as fill
`--seconds`, after one epoch that is not timed, in which it is checked that each image came once and the order was
random. What is reported is the median of the rounds.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

import numpy as np

import machine

SAMPLES, WIDTH, BATCH_SIZE = 60_000, 784, 128
# Seconds that an epoch may take to be run a second time.
PATIENCE = 5.0


def images():
    """Random bytes, but the first four of each image are its number."""
    data = np.random.default_rng(0).integers(0, 256, (SAMPLES, WIDTH), np.uint8)
    data[:, :4] = np.arange(SAMPLES, dtype=np.uint32).view(np.uint8).reshape(SAMPLES, 4)
    return data


def torch_forms(data):
    import torch
    from torch.utils.data import BatchSampler, DataLoader, Dataset, IterableDataset, RandomSampler, TensorDataset

    tensor = torch.from_numpy(data)

    class OfBatches(Dataset):
        """Takes the numbers of a whole batch."""

        def __init__(self, values):
            self.values = values

        def __len__(self):
            return len(self.values)

        def __getitem__(self, numbers):
            return self.values[numbers]

    class OfSamples(OfBatches):
        """Is asked for the samples of a batch together, by PyTorch's `__getitems__`."""

        def __getitems__(self, numbers):
            return self.values[numbers]

    class Permuted(IterableDataset):
        """Draws a permutation, and gathers `together` batches at a time. The workers share the batches."""

        def __init__(self, gather, together):
            self.gather, self.together = gather, together

        def __iter__(self):
            worker = torch.utils.data.get_worker_info()
            number, count = (worker.id, worker.num_workers) if worker else (0, 1)
            # The workers' own generators differ: they draw the same permutation by the epoch's seed.
            seed = worker.seed - worker.id if worker else int(torch.empty((), dtype=torch.int64).random_())
            order = torch.randperm(SAMPLES, generator=torch.Generator().manual_seed(seed))
            blocks = order.split(BATCH_SIZE * self.together)
            for block in blocks[number::count]:
                gathered = self.gather(block)
                for first in range(0, len(gathered), BATCH_SIZE):
                    yield gathered[first : first + BATCH_SIZE]

    def loader(dataset, workers, **arguments):
        if workers:
            arguments |= {"num_workers": workers, "persistent_workers": True, "prefetch_factor": 10}
        return DataLoader(dataset, **arguments)

    def batches(values, workers):
        sampler = BatchSampler(RandomSampler(values), BATCH_SIZE, drop_last=False)
        return loader(OfBatches(values), workers, sampler=sampler, batch_size=None)

    shuffled = {"batch_size": BATCH_SIZE, "shuffle": True}
    whole = {"collate_fn": lambda batch: batch, **shuffled}
    for workers in (0, 1, 2):
        told = f", {workers} workers"
        yield "TensorDataset, shuffle=True" + told, lambda w=workers: loader(TensorDataset(tensor), w, **shuffled)
        yield "__getitems__" + told, lambda w=workers: loader(OfSamples(tensor), w, **whole)
        yield "BatchSampler, batch_size=None, tensor" + told, lambda w=workers: batches(tensor, w)
        yield "BatchSampler, batch_size=None, numpy" + told, lambda w=workers: batches(data, w)
        for together in (1, 16):
            for kind, gather in [
                ("index_select", lambda block: tensor.index_select(0, block)),
                ("numpy's take", lambda block: data.take(block.numpy(), axis=0)),
            ]:
                yield (
                    f"by hand: IterableDataset, randperm, {kind} of {together} batches" + told,
                    lambda w=workers, t=together, g=gather: loader(Permuted(g, t), w, batch_size=None),
                )
    # Threads within an operation can be slower than none.
    torch.set_num_threads(1)
    yield "BatchSampler, batch_size=None, tensor, 0 workers, 1 thread", lambda: batches(tensor, 0)


def tensorflow_forms(data):
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    import tensorflow as tf

    tensor = tf.constant(data)
    numbers = tf.data.Dataset.range(SAMPLES)
    # An order that must not be kept may be faster; ours is kept.
    parallel = [1, 2, tf.data.AUTOTUNE]

    def permuted(calls, together):
        """Draws a permutation for each epoch, and gathers by it, `together` batches at a time."""

        def epoch(_):
            order = tf.random.shuffle(tf.range(SAMPLES))
            block = BATCH_SIZE * together
            starts = tf.data.Dataset.range(0, SAMPLES, block)
            blocks = starts.map(lambda start: tf.gather(tensor, order[start : start + block]), num_parallel_calls=calls)
            if together == 1:
                return blocks
            return blocks.unbatch().batch(BATCH_SIZE)

        return tf.data.Dataset.range(1).flat_map(epoch)

    yield (
        "from_tensor_slices, shuffle, batch, prefetch",
        lambda: tf.data.Dataset.from_tensor_slices(tensor).shuffle(SAMPLES).batch(BATCH_SIZE).prefetch(tf.data.AUTOTUNE),
    )
    yield (
        "from_tensor_slices, shuffle, batch",
        lambda: tf.data.Dataset.from_tensor_slices(tensor).shuffle(SAMPLES).batch(BATCH_SIZE),
    )
    yield (
        "from_tensor_slices, shuffle, parallel batch, prefetch",
        lambda: tf.data.Dataset.from_tensor_slices(tensor)
        .shuffle(SAMPLES)
        .batch(BATCH_SIZE, num_parallel_calls=tf.data.AUTOTUNE)
        .prefetch(tf.data.AUTOTUNE),
    )
    for calls in parallel:
        told = f", {'AUTOTUNE' if calls == tf.data.AUTOTUNE else calls} parallel calls"
        yield (
            "range, shuffle, batch, gather, prefetch" + told,
            lambda c=calls: numbers.shuffle(SAMPLES)
            .batch(BATCH_SIZE)
            .map(lambda batch: tf.gather(tensor, batch), num_parallel_calls=c)
            .prefetch(tf.data.AUTOTUNE),
        )
        yield (
            "by hand: permutation, gather, prefetch" + told,
            lambda c=calls: permuted(c, 1).prefetch(tf.data.AUTOTUNE),
        )
    yield "by hand: permutation, gather, no prefetch", lambda: permuted(None, 1)
    yield (
        "by hand: permutation, gather of 16 batches, rebatched, prefetch",
        lambda: permuted(2, 16).prefetch(tf.data.AUTOTUNE),
    )


class Rows:
    """Images as Grain's source of random access."""

    def __init__(self, data):
        self.data = data

    def __len__(self):
        return len(self.data)

    def __getitem__(self, number):
        return self.data[number]


class Blocks:
    """Batches of a permutation as Grain's source of random access."""

    def __init__(self, data, seed):
        self.data = data
        self.order = np.random.default_rng(seed).permutation(SAMPLES)

    def __len__(self):
        return -(-SAMPLES // BATCH_SIZE)

    def __getitem__(self, number):
        return self.data[self.order[number * BATCH_SIZE : (number + 1) * BATCH_SIZE]]


def grain_forms(data):
    import grain
    from absl import flags

    # Grain's processes look at flags that a program of Google's would have parsed.
    flags.FLAGS.mark_as_parsed()
    grain_multiprocessing = getattr(grain, "MultiprocessingOptions", None) or grain.multiprocessing.MultiprocessingOptions

    class Epochs:
        """A data set that is made anew for each epoch, with the epoch's seed."""

        def __init__(self, make):
            self.make, self.epoch = make, 0

        def __iter__(self):
            self.epoch += 1
            return iter(self.make(self.epoch))

    def samples(seed):
        return grain.MapDataset.source(Rows(data)).shuffle(seed=seed).batch(BATCH_SIZE)

    def gathered(seed):
        return grain.MapDataset.range(SAMPLES).shuffle(seed=seed).batch(BATCH_SIZE).map(lambda batch: data[batch])

    def permuted(seed):
        return grain.MapDataset.source(Blocks(data, seed))

    def read(dataset, threads):
        return dataset.to_iter_dataset(grain.ReadOptions(num_threads=threads, prefetch_buffer_size=16 if threads else 0))

    def in_processes(dataset, workers):
        return read(dataset, 1).mp_prefetch(grain_multiprocessing(num_workers=workers, per_worker_buffer_size=10))

    def loader(seed, workers):
        sampler = grain.samplers.IndexSampler(SAMPLES, shuffle=True, seed=seed, num_epochs=1)
        return grain.DataLoader(
            data_source=Rows(data),
            sampler=sampler,
            operations=[grain.transforms.Batch(BATCH_SIZE)],
            worker_count=workers,
            worker_buffer_size=10,
        )

    for name, make in [
        ("MapDataset, shuffle, batch", samples),
        ("MapDataset of numbers, shuffle, batch, gather", gathered),
        ("by hand: MapDataset of batches of a permutation", permuted),
    ]:
        yield name, lambda m=make: Epochs(m)
        for threads in (0, 1, 2, 16):
            yield f"{name}, {threads} threads", lambda m=make, t=threads: Epochs(lambda seed: read(m(seed), t))
        for workers in (1, 2):
            yield f"{name}, {workers} workers", lambda m=make, w=workers: Epochs(lambda s: in_processes(m(s), w))
    for workers in (0, 1, 2):
        yield f"DataLoader, {workers} workers", lambda w=workers: Epochs(lambda seed: loader(seed, w))


FORMS = {"PyTorch DataLoader": torch_forms, "tf.data": tensorflow_forms, "Grain": grain_forms}


def array(batch):
    """A batch as an array, from the list that some forms put it in."""
    return np.asarray(batch[0] if isinstance(batch, (list, tuple)) else batch)


def check(form, batches):
    """Whether the batches of an epoch are what they should be."""
    batches = [array(batch) for batch in batches]
    smaller = [len(batch) for batch in batches if len(batch) != BATCH_SIZE]
    # With two workers each may end with one.
    assert len(smaller) <= 2 and all(size < BATCH_SIZE for size in smaller), f"{form}: batches of {smaller} images"
    assert all(b.dtype == np.uint8 and b.shape[1:] == (WIDTH,) and b.flags.c_contiguous for b in batches), form
    numbers = np.ascontiguousarray(np.concatenate(batches)[:, :4]).view(np.uint32).ravel()
    assert np.array_equal(np.sort(numbers), np.arange(SAMPLES)), f"{form}: not each image once"
    # In a random order one image in 60,000 keeps its place on average, and one in two follows a smaller number.
    assert (numbers == np.arange(SAMPLES)).sum() < 20, f"{form}: hardly shuffled"
    assert abs((np.diff(numbers.astype(np.int64)) > 0).mean() - 0.5) < 0.05, f"{form}: hardly shuffled"


def measure(library, seconds, only):
    """Samples a second of each form of a library, in this process; a line of JSON each."""
    for form, make in FORMS[library](images()):
        if only and form not in only:
            continue
        loader = make()
        start = time.perf_counter()
        batches = list(loader)
        taken, delivered = time.perf_counter() - start, SAMPLES
        check(form, batches)
        del batches
        # The first epoch starts workers; where it takes long anyway, it is measured itself.
        if taken < PATIENCE:
            delivered, start, taken = 0, time.perf_counter(), 0.0
        while taken < seconds:
            for batch in loader:
                delivered += len(batch[0] if isinstance(batch, list) else batch)
            taken = time.perf_counter() - start
        print(json.dumps({"form": form, "samples_per_second": delivered / taken}), flush=True)
        print(f"{library}: {form}: {delivered / taken:.0f} samples/s", file=sys.stderr, flush=True)
        del loader


def by_hand(form):
    return form.startswith("by hand")


def peers(library, seconds, only):
    """The same, in a process of its own."""
    command = [sys.executable, os.path.abspath(__file__), "--library", library, "--seconds", str(seconds)]
    command += ["--only", *only] if only else []
    lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    results = [json.loads(line) for line in lines if line.startswith("{")]
    return {result["form"]: result["samples_per_second"] for result in results}


def ours():
    """What this library's benchmark says: samples a second by the number of workers."""
    command = ["cargo", "bench", "--quiet", "--bench", "loader", "--features", "noop", "--", "--json"]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=machine.ROOT).stdout
    results = json.loads(output[output.index("{") :])["results"]
    return {f"{result['form']}, {result['workers']} workers": result["samples_per_second"] for result in results}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--without-ours", action="store_true")
    parser.add_argument("--library", choices=FORMS, help=argparse.SUPPRESS)
    parser.add_argument("--only", nargs="*", default=[], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.library:
        return measure(arguments.library, arguments.seconds, arguments.only)

    rounds, fast = {}, {}
    for number in range(arguments.rounds):
        if not arguments.without_ours:
            for form, rate in ours().items():
                rounds.setdefault(("minibatch", form), []).append(rate)
        for library in FORMS:
            # After the first round only those forms that may be the fastest.
            results = peers(library, arguments.seconds, fast.get(library, []))
            if number == 0:
                fastest_first = sorted(results, key=results.get, reverse=True)
                of_kind = lambda kind: [form for form in fastest_first if by_hand(form) == kind][:3]
                fast[library] = of_kind(True) + of_kind(False)
            for form, rate in results.items():
                rounds.setdefault((library, form), []).append(rate)

    results = [
        {
            "library": library,
            "form": form,
            "rounds": len(rates),
            "samples_per_second": statistics.median(rates),
            "gigabytes_per_second": statistics.median(rates) * WIDTH / 1e9,
        }
        for (library, form), rates in rounds.items()
    ]
    results.sort(key=lambda result: (result["library"], -result["samples_per_second"]))
    print(f"{SAMPLES} images of {WIDTH} bytes, batches of {BATCH_SIZE}, shuffled; median of the rounds")
    for result in results:
        print(
            f"{result['library']:20} {result['gigabytes_per_second']:8.3f} GB/s {result['samples_per_second']:12.0f}"
            f" samples/s  {result['form']}"
        )
    # Each by itself and by hand; those that were left out after the first round were not the fastest.
    best, ratios = {}, {}
    for result in (result for result in results if result["rounds"] == arguments.rounds):
        if result["library"] != "minibatch" or result["form"] == "1 workers":
            best.setdefault((result["library"], by_hand(result["form"])), result)
    own = best.pop(("minibatch", False), None)
    print("\nthe fastest of each:")
    for (library, _), result in sorted(best.items()):
        line = f"{library:20} {result['gigabytes_per_second']:8.3f} GB/s  {result['form']}"
        if own:
            ratios[f"{library}: {result['form']}"] = own["samples_per_second"] / result["samples_per_second"]
            line += f"; minibatch with 1 worker is {own['samples_per_second'] / result['samples_per_second']:.1f} times as fast"
        print(line)
    if own:
        print(f"{'minibatch':20} {own['gigabytes_per_second']:8.3f} GB/s  {own['form']}")
    if arguments.json:
        report = {"machine": machine.description(), "load": machine.load(), "results": results, "ratios": ratios}
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(report, file, indent=1)


if __name__ == "__main__":
    main()
