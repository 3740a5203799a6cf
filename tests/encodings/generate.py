"""Writes golden.json: frequency encodings and multiresolution hash grids with their gradients, by the
definitions of their papers, in float64 and whole numbers. It shares nothing with the library: the grid's
resolutions come from powers of whole numbers, the interpolation runs over all corners of a level by the
distance to each, and the gradients by the position are differences.

    pip install numpy==2.4.6
    python generate.py
"""

import itertools
import json
import os

import numpy as np

# Instant NGP, equation 4, and the fourth prime of tiny-cuda-nn.
PRIMES = [1, 2654435761, 805459861, 3674653429]


def frequency(x, frequencies):
    """NeRF's equation 4 for each coordinate of each row."""
    return np.array(
        [
            [wave(2.0**k * np.pi * p) for p in row for k in range(frequencies) for wave in (np.sin, np.cos)]
            for row in x
        ]
    )


def resolution(base, finest, level, levels):
    """Equation 2 and 3: the largest n with n <= base * (finest / base) ** (level / (levels - 1))."""
    if levels == 1:
        return base
    n = base
    while (n + 1) ** (levels - 1) <= base ** (levels - 1 - level) * finest**level:
        n += 1
    return n


def grid(dimensions, levels, features, log2_table_size, base, finest):
    """Of each level its resolution, its first entry, its entries and whether it is hashed."""
    found, first = [], 0
    for level in range(levels):
        n = resolution(base, finest, level, levels)
        corners, most = (n + 1) ** dimensions, 2**log2_table_size
        found.append((n, first, min(corners, most), corners > most))
        first += min(corners, most)
    return found, first


def entry(corner, n, first, entries, hashed):
    if hashed:
        mixed = 0
        for coordinate, prime in zip(corner, PRIMES):
            mixed ^= (coordinate * prime) % 2**32
        return first + mixed % entries
    return first + sum(coordinate * (n + 1) ** i for i, coordinate in enumerate(corner))


def corners_of(position, n):
    """The corners at a distance below 1 in each dimension, and what each counts: a product of hats."""
    scaled = [min(max(p, 0.0), 1.0) * n for p in position]
    near = [[c for c in (int(np.floor(s)), int(np.floor(s)) + 1) if abs(s - c) < 1] for s in scaled]
    for corner in itertools.product(*near):
        yield corner, float(np.prod([1 - abs(s - c) for s, c in zip(scaled, corner)]))


def encoded(position, table, levels, features):
    row = []
    for n, first, entries, hashed in levels:
        value = np.zeros(features)
        for corner, share in corners_of(position, n):
            value += share * table[entry(corner, n, first, entries, hashed)]
        row.extend(value)
    return np.array(row)


def hash_grid(random, dimensions, levels, features, log2_table_size, base, finest, rows=12):
    single = lambda x: np.asarray(x).astype(np.float32).astype(np.float64)
    found, count = grid(dimensions, levels, features, log2_table_size, base, finest)
    table = single(random.uniform(-1, 1, (count, features)))
    x = single(random.uniform(-0.1, 1.1, (rows, dimensions)))
    x[0], x[1] = 0.0, 1.0
    output = np.array([encoded(p, table, found, features) for p in x])
    gradient = single(random.uniform(-1, 1, output.shape))
    table_gradient = np.zeros_like(table)
    for position, d in zip(x, gradient):
        for level, (n, first, entries, hashed) in enumerate(found):
            own = d[level * features : (level + 1) * features]
            for corner, share in corners_of(position, n):
                table_gradient[entry(corner, n, first, entries, hashed)] += share * own
    # At the ends of the cube there are two slopes; those rows have none here.
    h = 2.0**-20
    input_gradient = np.zeros_like(x)
    for row, position in enumerate(x[2:], 2):
        for i in range(dimensions):
            step = h * np.eye(dimensions)[i]
            up, down = (encoded(position + s, table, found, features) for s in (step, -step))
            input_gradient[row, i] = np.dot(gradient[row], up - down) / (2 * h)
    return {
        "sizes": [levels, features, log2_table_size, base, finest],
        "dimensions": dimensions,
        "resolutions": [n for n, *_ in found],
        "entries": count,
        "table": table.ravel().tolist(),
        "input": x.ravel().tolist(),
        "output": output.ravel().tolist(),
        "output_gradient": gradient.ravel().tolist(),
        "table_gradient": table_gradient.ravel().tolist(),
        "input_gradient": input_gradient.ravel().tolist(),
    }


def main():
    random = np.random.default_rng(22)
    x = random.uniform(-1, 1, (6, 3)).astype(np.float32).astype(np.float64)
    waves = frequency(x, 6)
    golden = {
        "frequency": {"frequencies": 6, "inputs": 3, "input": x.ravel().tolist(), "output": waves.ravel().tolist()},
        "hash_grid": [
            hash_grid(random, 1, 4, 1, 4, 3, 24),
            hash_grid(random, 2, 5, 2, 6, 3, 48),
            hash_grid(random, 3, 3, 4, 6, 2, 9),
            hash_grid(random, 4, 2, 2, 6, 1, 4),
            hash_grid(random, 2, 1, 8, 12, 5, 5),
        ],
    }
    with open(os.path.join(os.path.dirname(__file__), "golden.json"), "w") as file:
        json.dump(golden, file, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
