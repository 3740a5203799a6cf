"""cuBLAS in f32, through PyTorch, for the three products of a dense layer: what `cargo bench --bench gemm` measures of
ours. TensorFloat-32 is off. Prints JSON: GFLOP/s, the median of several rounds.

    python benches/peers/gemm_cuda.py [--size 4096]
"""

import argparse
import json
import statistics

import torch

ROUNDS = 9
# Products in a round: together they take long beside the launch of one.
PRODUCTS = 20


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=4096, help="samples, inputs and units")
    size = parser.parse_args().size
    torch.set_float32_matmul_precision("highest")
    torch.backends.cuda.matmul.allow_tf32 = False
    random = torch.Generator(device="cuda").manual_seed(0)
    a, b = (torch.rand((size, size), generator=random, device="cuda") * 2 - 1 for _ in range(2))
    forms = {
        "forward": lambda: a @ b,
        "backward weights": lambda: a.T @ b,
        "backward input": lambda: a @ b.T,
    }
    # A product in TensorFloat-32 would be a thousand times as wrong.
    exact = a.double() @ b.double()
    error = ((forms["forward"]().double() - exact).norm() / exact.norm()).item()
    assert error < 1e-5, f"not f32: the relative error is {error}"
    results = []
    for name, form in forms.items():
        rates = []
        for number in range(ROUNDS + 2):
            begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            begin.record()
            for _ in range(PRODUCTS):
                form()
            end.record()
            end.synchronize()
            # The first two rounds warm up.
            if number >= 2:
                rates.append(2 * size**3 * PRODUCTS / begin.elapsed_time(end) / 1e6)
        results.append({"product": name, "form": "cuBLAS", "gflops": statistics.median(rates)})
    device = torch.cuda.get_device_name()
    versions = {"torch": torch.__version__, "CUDA": torch.version.cuda}
    print(json.dumps({"adapter": device, "size": size, "error": error, "versions": versions, "results": results}))


if __name__ == "__main__":
    main()
