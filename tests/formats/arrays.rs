//! Arrays of NumPy's and of safetensors files. Those in `golden/` are written by `golden/make.py`.

use std::fs;
use std::path::{Path, PathBuf};

use half::f16;
use minibatch::Error;
use minibatch::data::{Samples, StoredArray, StoredArrays, Values};

use crate::files::{Place, all, columns, damage, fuzz};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats/golden").join(name)
}

fn npy(name: &str) -> Result<StoredArray, Error> {
    StoredArray::npy(&golden(name))
}

/// All values of an array as an input.
fn input(array: StoredArray) -> Result<Values, Error> {
    let arrays = StoredArrays::new([("input", array)], [])?;
    let samples = all(&arrays.source(), 4)?;
    assert_eq!(all(&arrays.stream(), 5)?.columns(), samples.columns());
    Ok(samples.columns()[0].clone())
}

fn floats(by: f32) -> Vec<f32> {
    (0..24).map(|i| i as f32 / by).collect()
}

#[test]
fn each_type_becomes_what_it_should() {
    let integers = Values::U32((0..24).collect());
    for name in ["i2", "i4", "i8", "u2", "u4", "u8"] {
        let array = npy(&format!("{name}.npy")).unwrap();
        assert_eq!((array.shape(), array.samples()), (&[6, 2, 2][..], 6));
        assert_eq!(input(array).unwrap(), integers, "{name}");
    }
    assert_eq!(input(npy("u1.npy").unwrap()).unwrap(), Values::U8((0..24).collect()));
    let flags = (0..24).map(|i| u8::from(i % 3 == 0)).collect();
    assert_eq!(input(npy("bool.npy").unwrap()).unwrap(), Values::U8(flags));
    for name in ["f4.npy", "f8.npy"] {
        assert_eq!(input(npy(name).unwrap()).unwrap(), Values::F32(floats(1.0)), "{name}");
    }
    let halves = floats(1.0).into_iter().map(f16::from_f32).collect();
    assert_eq!(input(npy("f2.npy").unwrap()).unwrap(), Values::F16(halves));
    assert_eq!(input(npy("big_endian.npy").unwrap()).unwrap(), Values::F32(floats(4.0)));
}

#[test]
fn targets_are_classes_or_floats() {
    let target = |array| {
        let arrays = StoredArrays::new([("x", npy("f4.npy").unwrap())], [("y", array)]).unwrap();
        (arrays.classes(), columns(&arrays.source())[1].clone())
    };
    let labels = npy("labels.npy").unwrap();
    assert_eq!(target(labels), (Some(3), Values::U32(vec![2, 0, 1, 2, 2, 0])));
    for name in ["u1.npy", "i8.npy", "f2.npy", "f8.npy"] {
        assert_eq!(target(npy(name).unwrap()), (None, Values::F32(floats(1.0))), "{name}");
    }
    // The same numbers count as weights.
    let arrays =
        StoredArrays::new([("x", npy("f4.npy").unwrap())], [("y", npy("labels.npy").unwrap())]);
    let weighted = arrays.unwrap().with_weights([("", npy("labels.npy").unwrap())]).unwrap();
    let weights = Values::F32(vec![2.0, 0.0, 1.0, 2.0, 2.0, 0.0]);
    assert_eq!(columns(&weighted.source())[2], weights);
    let label = weighted.clone().with_classes(2).unwrap_err();
    assert!(damage(&label, &golden("labels.npy")).contains("sample 0: label out of range"));
    assert_eq!(weighted.with_classes(5).unwrap().classes(), Some(5));
}

#[test]
fn what_does_not_fit_is_refused_with_the_way_out() {
    for (name, expected) in [
        ("fortran.npy", "ascontiguousarray"),
        ("complex.npy", "astype"),
        ("records.npy", "records of several fields"),
        ("scalar.npy", "single number"),
        ("negative.npy", "sample 0: has the value -1"),
        ("nan.npy", "sample 3: has the value NaN"),
    ] {
        let error = npy(name).and_then(input).unwrap_err();
        let message = damage(&error, &golden(name));
        assert!(message.contains(expected), "{name}: {message}");
    }
    let six = npy("f4.npy").unwrap();
    let place = Place::new();
    let path = place.file("short.npy", &fs::read(golden("stored.npz")).unwrap());
    assert!(damage(&StoredArray::npy(&path).unwrap_err(), &path).contains("NUMPY"));
    let four = StoredArray::npz(&golden("stored.npz"), "z").unwrap_err();
    assert!(damage(&four, &golden("stored.npz")).contains("there is x, y"), "{four}");
    let idx = place.file("idx", &[0, 0, 8, 2, 0, 0, 0, 1, 0, 0, 0, 1, 9]);
    let one = StoredArray::idx(&idx).unwrap();
    let counts = StoredArrays::new([("a", six.clone()), ("b", one)], []).unwrap_err();
    assert!(damage(&counts, &idx).contains("1 labels"), "{counts}");
    let twice = StoredArrays::new([("a", six.clone()), ("a", six)], []).unwrap_err();
    assert!(matches!(twice, Error::Argument { .. }), "{twice}");
}

#[test]
fn archives_and_tensors_hold_several_arrays() {
    let x = Values::F32(floats(4.0));
    let y = Values::U32(vec![2, 0, 1, 2, 2, 0]);
    for name in ["stored.npz", "compressed.npz", "arrays.safetensors"] {
        let array = |member: &str| match name.ends_with("npz") {
            true => StoredArray::npz(&golden(name), member).unwrap(),
            false => StoredArray::safetensors(&golden(name), member).unwrap(),
        };
        let arrays = StoredArrays::new([("x", array("x"))], [("y", array("y"))]).unwrap();
        assert_eq!(arrays.is_compressed(), name == "compressed.npz");
        assert_eq!(arrays.source().is_stream(), arrays.is_compressed());
        for source in [arrays.source(), arrays.stream()] {
            assert_eq!(columns(&source), [x.clone(), y.clone()], "{name}");
        }
    }
    let half = StoredArray::safetensors(&golden("arrays.safetensors"), "half").unwrap();
    let halves = floats(1.0).into_iter().map(f16::from_f32).collect();
    assert_eq!(input(half).unwrap(), Values::F16(halves));
}

#[test]
fn headers_that_claim_much_cost_no_memory() {
    let place = Place::new();
    let header = |shape: &str| {
        let text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n");
        [b"\x93NUMPY\x01\x00", &(text.len() as u16).to_le_bytes()[..], text.as_bytes(), &[0; 40]]
            .concat()
    };
    for (shape, expected) in [
        ("(1000000000000, 3)", "truncated: holds"),
        ("(10000000000, 10000000000)", "more than 2^62 bytes"),
        ("(99999999999999999999,)", "no shape that can be read"),
        ("(3, 0)", "has no data"),
        ("()", "single number"),
        ("(2, 3)", "has bytes after its end"),
    ] {
        let path = place.file("claim.npy", &header(shape));
        let message = damage(&StoredArray::npy(&path).unwrap_err(), &path);
        assert!(message.contains(expected), "{shape}: {message}");
    }
    let path = place.file("ten.npy", &header("(10,)"));
    assert_eq!(input(StoredArray::npy(&path).unwrap()).unwrap(), Values::F32(vec![0.0; 10]));
    let mut long = b"\x93NUMPY\x02\x00".to_vec();
    long.extend(u32::MAX.to_le_bytes());
    let path = place.file("long.npy", &long);
    let message = damage(&StoredArray::npy(&path).unwrap_err(), &path);
    assert!(message.contains("claims 4294967295 bytes"), "{message}");
    let path = place.file("long.safetensors", &u64::MAX.to_le_bytes());
    let message = damage(&StoredArray::safetensors(&path, "x").unwrap_err(), &path);
    assert!(message.contains("its header claims"), "{message}");
}

#[test]
fn damaged_files_give_errors_or_samples() {
    let place = Place::new();
    let read = |array: Result<StoredArray, Error>| -> Result<Samples, Error> {
        all(&StoredArrays::new([("x", array?)], [])?.source(), 4)
    };
    let changed = |bytes: &[u8]| place.file("changed", bytes);
    let bytes = |name| fs::read(golden(name)).unwrap();
    fuzz(&bytes("f4.npy"), changed, |path| read(StoredArray::npy(path)), true);
    for name in ["stored.npz", "compressed.npz"] {
        fuzz(&bytes(name), changed, |path| read(StoredArray::npz(path, "x")), true);
    }
    let tensor = |path: &Path| read(StoredArray::safetensors(path, "x"));
    fuzz(&bytes("arrays.safetensors"), changed, tensor, true);

    // Each array of a compressed archive has a checksum: its values are right, or an error.
    let path = golden("compressed.npz");
    let right = read(StoredArray::npz(&path, "x")).unwrap();
    let bytes = bytes("compressed.npz");
    for byte in 200..bytes.len().min(330) {
        let mut damaged = bytes.clone();
        damaged[byte] ^= 0x10;
        if let Ok(samples) = read(StoredArray::npz(&changed(&damaged), "x")) {
            assert_eq!(samples.columns(), right.columns(), "byte {byte}");
        }
    }
}
