"""The page that `steps.py` writes."""

import os

import plot
from machine import median

# By a row's key: its name, where it computes, and what a step of it is.
ROWS = {
    "ours-cpu": ("minibatch, CPU", "cpu", "`mnist-gpu bench --backend cpu`"),
    "ours-cpu-1": ("minibatch, CPU, 1 thread", "cpu", "the same with `--threads 1`"),
    "jax-scan": ("JAX, jit, lax.scan", "cpu", "50 steps in one compiled function; batches cut from bytes inside it"),
    "jax-step": ("JAX, jit a step", "cpu", "one compiled function a step; batches cut from bytes inside it"),
    "torch-eager": ("PyTorch, eager", "cpu", "the usual loop, fused Adam; images as f32 beforehand"),
    "torch-compile": (
        "PyTorch, torch.compile",
        "cpu",
        "loss and gradients compiled for the network's shapes, fused Adam; images as f32 beforehand",
    ),
    "keras-fit": ("Keras, fit", "cpu", "JAX backend, steps_per_execution=50; images as f32 beforehand"),
    "burn-flex": ("burn, flex", "cpu", "its CPU backend with SIMD, AVX-512 and threads; images as f32 beforehand"),
    "tfjs-wasm": ("TensorFlow.js, WASM", "cpu", "in node; 50 batches, cut and converted to f32 beforehand"),
    "ours-gpu": ("minibatch, wgpu", "gpu", "`mnist-gpu bench --backend gpu`"),
    "burn-wgpu": ("burn, wgpu", "gpu", "with fusion and autotune; images as f32 on the device beforehand"),
    "torch-eager-cuda": ("PyTorch, eager, CUDA", "gpu", "as on the CPU, data on the device"),
    "torch-compile-cuda": ("PyTorch, torch.compile, CUDA", "gpu", "as on the CPU, data on the device"),
    "torch-graph-cuda": ("PyTorch, CUDA graph", "gpu", "a whole step in a graph, its batch chosen on the device"),
    "torch-graphs-cuda": ("PyTorch, CUDA graph of 50", "gpu", "50 such steps in a graph"),
    "jax-scan-cuda": ("JAX, jit, lax.scan, CUDA", "gpu", "as on the CPU, data on the device"),
}
PLACES = {"cpu": "On the CPU", "gpu": "On the GPU"}
# What is compared: ours, with the best of some others.
COMPARED = [
    ("ours-cpu", ["jax-scan", "torch-eager", "torch-compile"], "the better of JAX scan and PyTorch"),
    ("ours-gpu", ["burn-wgpu"], "burn on wgpu"),
    ("ours-gpu", ["torch-graph-cuda", "torch-graphs-cuda"], "PyTorch with CUDA graphs"),
    ("ours-gpu", ["torch-compile-cuda"], "PyTorch with torch.compile on CUDA"),
]


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def table(head, lines):
    rule = ["---"] * len(head)
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, rule, *lines])


def sizes(network):
    layers, batch = network
    return f"{'-'.join(map(str, layers))}, batch {batch:,}"


def rates(report, place):
    lines = []
    for key, by_network in report["rates"].items():
        if ROWS[key][1] == place:
            cells = [f"{number(median(v))} ({number(min(v))} to {number(max(v))})" for v in by_network.values()]
            lines.append([ROWS[key][0], *cells])
    return lines


def ratios(report):
    """Ours to the best of others, network by network."""
    lines = []
    for ours, others, said in COMPARED:
        others = [key for key in others if key in report["rates"]]
        if ours not in report["rates"] or not others:
            continue
        cells = []
        for name, values in report["rates"][ours].items():
            best = max(others, key=lambda key: median(report["rates"][key][name]))
            cells.append(f"{median(values) / median(report['rates'][best][name]):.2f} ({ROWS[best][0]})")
        lines.append([f"{ROWS[ours][0]}, to {said}", *cells])
    return lines


def versions(report):
    found = {}
    for answers in report["told"].values():
        for answer in answers.values():
            found |= answer["versions"]
    return ", ".join(f"{name} {version}" for name, version in found.items())


def adapters(report):
    """The adapters that ours names."""
    named = {
        answer["report"]["adapter"]
        for answers in report["told"].values()
        for answer in answers.values()
        if answer.get("report", {}).get("backend") == "gpu"
    }
    return ", ".join(sorted(named))


def text(report, picture):
    machine, names = report["machine"], list(report["networks"])
    cores = f"{report['threads']} of {machine['cores']} cores" if report["threads"] != machine["cores"] else None
    where = [
        machine["date"],
        f"{cores or str(machine['cores']) + ' cores'} of {machine['processor']}",
        machine["system"],
        machine["gpu"],
        f"adapter of wgpu: {adapters(report)}" if adapters(report) else None,
        f"commit {machine['commit']}" if machine["commit"] else None,
        machine["rust"],
        f"Python {machine['python']}",
        versions(report),
    ]
    loads = ", ".join("unknown" if load is None else str(load) for load in report["loads"])
    parts = [
        "# Training steps a second, beside other libraries",
        "; ".join(part for part in where if part) + ".",
        f"`benches/peers/steps.py`: median of {report['rounds']} rounds of about {report['seconds']} s each (least to"
        f" most), all rows in turn, {report['threads']} threads each. Load average before each round and after the"
        f" last: {loads}.",
        "Networks: " + "; ".join(f"{name} is {sizes(network)}" for name, network in report["networks"].items()) + "."
        " ReLU, softmax cross-entropy, Adam at 0.001, f32.",
        f"![Steps a second by network and library]({picture})",
    ]
    for place, title in PLACES.items():
        lines = rates(report, place)
        if lines:
            parts += [f"## {title}", table(["steps/s", *names], lines)]
    compared = ratios(report)
    if compared:
        parts += ["## Ours to others", table(["ratio of the medians", *names], compared)]
    first = [
        [ROWS[key][0], f"{next(iter(answers.values()))['first_step_seconds']:.2f}"]
        for key, answers in report["told"].items()
        if key in report["rates"]
    ]
    parts += [
        "## The first step",
        f"Seconds from the start of the process until the first step of {names[0]} was done (JAX scan and Keras: the"
        " first execution). It is measured once, and caches on disk may be warm.",
        table(["", "s"], first),
        "## What each does",
        "All train on the same 51,200 random images of 784 bytes, in memory, a batch after the other in order; ours"
        " shuffles them, and counts the accuracy besides the loss. Losses stay on the device until a measurement ends,"
        " which waits for all steps.",
        table(["row", "a step"], [[ROWS[key][0], ROWS[key][2]] for key in report["rates"]]),
    ]
    if report["left_out"]:
        missing = [[ROWS[key][0], why.replace("|", "/")] for key, why in report["left_out"].items()]
        parts += ["## Left out", table(["row", "why"], missing)]
    return "\n\n".join(parts) + "\n"


def write(report, path):
    """The page, and its plot beside it."""
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    picture = os.path.splitext(path)[0] + ".svg"
    panels = [
        (
            f"{name}: {sizes(network)}",
            [
                (ROWS[key][0], key.startswith("ours"), median(by[name]), min(by[name]), max(by[name]))
                for key, by in report["rates"].items()
            ],
        )
        for name, network in report["networks"].items()
    ]
    with open(picture, "w", encoding="utf-8") as file:
        file.write(plot.bars("Training steps a second, logarithmic: median, least and most", panels))
    with open(path, "w", encoding="utf-8") as file:
        file.write(text(report, os.path.basename(picture)))
