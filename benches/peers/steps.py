"""How many training steps a second other libraries make, beside this one.

    python3 benches/peers/steps.py [--out FILE.md] [--rounds 5] [--seconds 0.7] [--threads N] [--networks ABCD]
                                   [--without NAME ...] [--only NAME ...] [--json FILE]

JAX, PyTorch, Keras, burn and TensorFlow.js are installed from their registries into `target/peers` at the first run
(`--python` takes an interpreter that has those of Python). One that cannot be had is named on the page, and left out.
The page and a plot beside it are written to `--out`.

A form of a library is a row of the table. Each has a process of its own, which stays; in every round each trains each
network for `--seconds`, one after the other, so that other load of the machine meets all of them. All have the same
cores and are told the same number of threads. They train on the same random bytes, in order, from memory; this
library is the program `mnist-gpu bench`, which shuffles, reads the bytes by `--data` and counts the accuracy besides.
A row's figure is the median of the rounds, with the least and the most.
"""

import argparse
import json
import os
import struct
import subprocess
import sys
import tempfile
import time

import install
import machine
import page

HERE = os.path.dirname(os.path.abspath(__file__))
# Sizes of the layers and of a batch.
NETWORKS = {
    "A": ((784, 128, 10), 32),
    "B": ((784, 128, 10), 128),
    "C": ((784, 128, 10), 1024),
    "D": ((784, 1024, 1024, 10), 256),
}
# A multiple of 50 batches of each network, so that 50 steps at a time never cross the end.
SAMPLES = 51_200
WARM_UP_STEPS = 50


def write_samples(directory):
    """Random images and labels as the four IDX files of MNIST. Those for tests are few: nothing is tested."""
    import random

    source = random.Random(0)
    for name, count in (("train", SAMPLES), ("t10k", 256)):
        with open(os.path.join(directory, f"{name}-images-idx3-ubyte"), "wb") as file:
            file.write(struct.pack(">IIII", 2051, count, 28, 28) + source.randbytes(count * 784))
        with open(os.path.join(directory, f"{name}-labels-idx1-ubyte"), "wb") as file:
            labels = bytes(source.randrange(10) for _ in range(count))
            file.write(struct.pack(">II", 2049, count) + labels)


class Failed(Exception):
    """A form cannot run here; says why."""


class Worker:
    """A process that trains what it is told to; `worker.py` says how it is told."""

    def __init__(self, command, environment):
        self.errors = tempfile.TemporaryFile(mode="w+", encoding="utf-8")
        command = [*command, "--started", str(time.time())]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True, env=environment
        )

    def ask(self, *words):
        try:
            print(*words, file=self.process.stdin, flush=True)
        except OSError:
            pass
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        self.process.wait()
        self.errors.seek(0)
        said = [line.strip() for line in self.errors if line.strip()]
        raise Failed(f"it ended with code {self.process.returncode}: {said[-1][:200] if said else 'no message'}")

    def prepare(self, name, sizes, batch):
        return self.ask("prepare", name, "-".join(map(str, sizes)), batch)

    def run(self, name, seconds):
        return self.ask("run", name, seconds)

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Ours:
    """The program's own benchmark: a process for each measurement."""

    def __init__(self, program, options, data, environment):
        self.command = [program, "bench", "--json", "--data", data, *options]
        self.environment = environment
        self.networks, self.rates = {}, {}

    def bench(self, name, steps):
        sizes, batch = self.networks[name]
        command = [*self.command, "--layers", ",".join(map(str, sizes)), "--batch-size", str(batch)]
        command += ["--steps", str(steps), "--warmup", str(WARM_UP_STEPS)]
        done = subprocess.run(command, capture_output=True, text=True, env=self.environment)
        if done.returncode:
            said = done.stderr.strip().splitlines()
            raise Failed(said[-1][:200] if said else f"it ended with code {done.returncode}")
        report = json.loads(done.stdout)
        self.rates[name] = report["steps_per_second"]
        return report

    def prepare(self, name, sizes, batch):
        self.networks[name] = (sizes, batch)
        report = self.bench(name, 20)
        return {"first_step_seconds": report["first_step_ms"] / 1e3, "versions": {}, "report": report}

    def run(self, name, seconds):
        return self.bench(name, max(5, round(seconds * self.rates[name])))

    def close(self):
        pass


def build_ours():
    command = ["cargo", "build", "--release", "--quiet", "--bin", "mnist-gpu"]
    subprocess.run(command, check=True, cwd=machine.ROOT)
    return os.path.join(machine.ROOT, "target", "release", "mnist-gpu")


def limited(threads):
    """This process and its children on so many cores, and the environment that tells libraries the number."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    told = ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS", "LP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"]
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "NODEVICE_SELECT": "1"}
    # JAX would take most of a GPU's memory for itself, beside the others.
    shared = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    return os.environ | {name: str(threads) for name in told} | quiet | shared


def rows(arguments, data, environment):
    """Each row's key, what is said of it, and how it is started."""
    threads = arguments.threads
    ours = arguments.ours or build_ours()
    can_limit = "--threads" in subprocess.run([ours, "bench", "--help"], capture_output=True, text=True).stdout
    installed = {}

    def once(name, make):
        """What was installed, or the reason why not, found out once."""
        if name not in installed:
            try:
                installed[name] = make()
            except install.Missing as missing:
                installed[name] = missing
        if isinstance(installed[name], install.Missing):
            raise Failed(str(installed[name]))
        return installed[name]

    folder = os.path.join(machine.ROOT, "target", "peers")
    interpreter = lambda: once("python", lambda: arguments.python or install.python(folder, "requirements-steps.txt"))
    burn = lambda: once("burn", lambda: arguments.burn or install.burn(folder))
    tfjs = lambda: once("tfjs", lambda: arguments.tfjs or install.tfjs(folder))
    common = ["--data", data, "--threads", str(threads)]

    def on_cpu(number):
        if number != machine.cores() and not can_limit:
            raise Failed("this build of mnist-gpu has no --threads")
        options = ["--backend", "cpu"] + (["--threads", str(number)] if can_limit else [])
        return Ours(ours, options, data, environment)

    def on_gpu():
        options = ["--backend", "gpu"] + (["--adapter", arguments.adapter] if arguments.adapter else [])
        return Ours(ours, options, data, environment)

    def of_python(form, device="cpu"):
        script = os.path.join(HERE, "worker.py")
        return Worker([interpreter(), script, form, *common, "--device", device], environment)

    yield "ours-cpu", lambda: on_cpu(threads)
    if threads > 1:
        yield "ours-cpu-1", lambda: on_cpu(1)
    for form in ("jax-scan", "jax-step", "torch-eager", "torch-compile", "keras-fit"):
        yield form, lambda form=form: of_python(form)
    yield "burn-flex", lambda: Worker([burn(), "flex", *common], environment)
    yield "tfjs-wasm", lambda: Worker(["node", tfjs(), "wasm", *common], environment)
    yield "ours-gpu", on_gpu
    yield "burn-wgpu", lambda: Worker([burn(), "wgpu", *common], environment)
    if machine.description()["gpu"]:
        for form in ("torch-eager", "torch-compile", "torch-graph", "torch-graphs", "jax-scan"):
            yield f"{form}-cuda", lambda form=form: of_python(form, "cuda")


def prepare(arguments, data, environment):
    """The rows that run, with what their first steps took, and why the others do not."""
    running, told, left_out = {}, {}, {}
    for key, start in rows(arguments, data, environment):
        if key in arguments.without or (arguments.only and key not in arguments.only):
            continue
        try:
            row = start()
            answers = {}
            for name in arguments.networks:
                answers[name] = row.prepare(name, *NETWORKS[name])
                print(f"{key}: {name} is ready", file=sys.stderr, flush=True)
            running[key], told[key] = row, answers
        except (Failed, OSError) as failed:
            left_out[key] = str(failed)
            print(f"{key} is left out: {failed}", file=sys.stderr, flush=True)
    return running, told, left_out


def measure(arguments, running, left_out):
    """Steps a second, by row and network: a value a round; and the load before each round."""
    rates = {key: {name: [] for name in arguments.networks} for key in running}
    loads = []
    for number in range(arguments.rounds):
        loads.append(machine.load())
        for name in arguments.networks:
            for key, row in list(running.items()):
                try:
                    answer = row.run(name, arguments.seconds)
                except Failed as failed:
                    left_out[key] = str(failed)
                    running.pop(key).close()
                    rates.pop(key)
                    continue
                rates[key][name].append(answer["steps"] / answer["seconds"])
        print(f"round {number + 1} of {arguments.rounds} is done", file=sys.stderr, flush=True)
    loads.append(machine.load())
    return rates, loads


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", metavar="FILE.md", default=os.path.join(machine.ROOT, "target", "peers", "steps.md"))
    parser.add_argument("--json", metavar="FILE", help="the figures of each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.7, help="of each measurement")
    parser.add_argument("--threads", type=int, default=machine.cores(), help="for each library (default: all cores)")
    parser.add_argument("--networks", default="ABCD", help="which of A, B, C, D")
    parser.add_argument("--without", nargs="*", default=[], metavar="NAME", choices=list(page.ROWS))
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME", choices=list(page.ROWS))
    parser.add_argument("--adapter", help="the GPU adapter of ours, by a part of its name")
    parser.add_argument("--ours", metavar="FILE", help="a built mnist-gpu (default: cargo builds it)")
    parser.add_argument("--python", metavar="FILE", help="an interpreter that has JAX, Keras and PyTorch")
    parser.add_argument("--burn", metavar="FILE", help="a built peers-burn")
    parser.add_argument("--tfjs", metavar="FILE", help="a worker.mjs with TensorFlow.js installed beside it")
    arguments = parser.parse_args()
    environment = limited(arguments.threads)
    with tempfile.TemporaryDirectory() as data:
        write_samples(data)
        running, told, left_out = prepare(arguments, data, environment)
        rates, loads = measure(arguments, running, left_out)
        for row in running.values():
            row.close()
    report = {
        "machine": machine.description(),
        "threads": arguments.threads,
        "rounds": arguments.rounds,
        "seconds": arguments.seconds,
        "networks": {name: NETWORKS[name] for name in arguments.networks},
        "loads": loads,
        "told": told,
        "rates": rates,
        "left_out": left_out,
    }
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(report, file, indent=1)
    page.write(report, arguments.out)
    print(arguments.out)


if __name__ == "__main__":
    main()
