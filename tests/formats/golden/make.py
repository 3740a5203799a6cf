#!/usr/bin/env python3
"""Writes the files beside it, with the libraries that own the formats:
pip install numpy safetensors pyarrow pillow. What they hold is what the tests compute anew."""

import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from safetensors.numpy import save_file

here = pathlib.Path(__file__).parent
steps = np.arange(24).reshape(6, 2, 2)

for name in ["u1", "i2", "i4", "i8", "u2", "u4", "u8", "f2", "f4", "f8"]:
    np.save(here / f"{name}.npy", steps.astype(name))
np.save(here / "big_endian.npy", (steps / 4).astype(">f8"))
np.save(here / "bool.npy", steps % 3 == 0)
np.save(here / "fortran.npy", np.asfortranarray(steps.astype("f4")))
np.save(here / "negative.npy", (steps - 1).astype("i8"))
np.save(here / "nan.npy", np.where(steps == 13, np.nan, steps).astype("f4"))
np.save(here / "complex.npy", steps.astype("c8"))
np.save(here / "scalar.npy", np.float32(1))
np.save(here / "labels.npy", np.array([2, 0, 1, 2, 2, 0]))
np.save(here / "records.npy", np.zeros(6, dtype=[("a", "f4"), ("b", "i4")]))

arrays = {"x": (steps / 4).astype("f4"), "y": np.array([2, 0, 1, 2, 2, 0])}
np.savez(here / "stored.npz", **arrays)
np.savez_compressed(here / "compressed.npz", **arrays)
save_file(arrays | {"half": steps.astype("f2")}, here / "arrays.safetensors")

table = pa.table({
    "a": pa.array([0.5, 1.5, 2.5, 3.5, 4.5], pa.float64()),
    "b": pa.array([1, 2, 3, 4, 5], pa.int32()),
    "flag": pa.array([True, False, True, True, False]),
    "class": pa.array(["cat", "dog", "cat", "eel", "dog"]),
    "gap": pa.array([1.0, None, 3.0, 4.0, 5.0], pa.float32()),
})
pq.write_table(table, here / "table.parquet", row_group_size=2, compression="snappy")

# Grey and RGB, lossless and not. The JPEG files are of one colour each, which survives them.
pixels = np.arange(12, dtype="u1").reshape(3, 4)
colours = np.stack([pixels, pixels * 2, pixels * 3], axis=-1)
Image.fromarray(pixels).save(here / "grey.png")
Image.fromarray(colours).save(here / "rgb.png")
Image.fromarray(colours).quantize(16).save(here / "palette.png")
Image.fromarray(pixels.astype("u2") * 256).save(here / "grey16.png")
Image.fromarray(np.full((3, 4), 77, "u1")).save(here / "grey.jpg", quality=95)
Image.fromarray(np.full((3, 4, 3), 128, "u1")).save(here / "rgb.jpg", quality=95)
