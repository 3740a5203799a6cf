//! Parquet files. The one in `golden/` is written by `golden/make.py`.

use std::fs;
use std::path::{Path, PathBuf};

use minibatch::Error;
use minibatch::data::{ParquetFile, Samples, Values};

use crate::files::{Place, all, columns, damage};

fn table() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats/golden/table.parquet")
}

fn read(path: &Path, inputs: &[&str], targets: &[&str]) -> Result<Samples, Error> {
    all(&ParquetFile::open(path, inputs, targets)?.source(), 2)
}

#[test]
fn columns_become_one_input_and_targets_by_name() {
    let file = ParquetFile::open(&table(), &["b", "a", "flag"], &["class"]).unwrap();
    assert_eq!(file.input_names(), ["b", "a", "flag"]);
    let source = file.source();
    assert_eq!((source.len(), source.is_stream()), (Some(5), true));
    assert_eq!(source.fields().targets()[0].class_names, ["cat", "dog", "eel"]);
    #[rustfmt::skip]
    let inputs = vec![
        1.0, 0.5, 1.0,
        2.0, 1.5, 0.0,
        3.0, 2.5, 1.0,
        4.0, 3.5, 1.0,
        5.0, 4.5, 0.0,
    ];
    let expected = [Values::F32(inputs), Values::U32(vec![0, 1, 0, 2, 1])];
    for batch_size in [1, 2, 5, 100] {
        assert_eq!(all(&source, batch_size).unwrap().columns(), expected);
    }
    // Rows that a stream goes past, within row groups and over them.
    for count in 2..=6 {
        for index in 0..count {
            let kept: Vec<usize> = (index..5).step_by(count).collect();
            let mut own = Samples::new(source.fields());
            let whole = all(&source, 5).unwrap();
            kept.iter().for_each(|&row| own.push_from(&whole, row).unwrap());
            let shard = all(&source.shard(index, count).unwrap(), 2).unwrap();
            assert_eq!(shard.columns(), own.columns(), "{index} of {count}");
        }
    }
    let both = ParquetFile::open(&table(), &["a"], &["b", "flag", "a"]).unwrap();
    let names: Vec<_> = both.source().fields().targets().iter().map(|f| f.name.clone()).collect();
    assert_eq!(names, ["b", "flag", "a"]);
    let targets = columns(&both.source());
    assert_eq!(targets[1], Values::U32(vec![1, 2, 3, 4, 5]));
    assert_eq!(targets[2], Values::U32(vec![1, 0, 1, 1, 0]));
    assert_eq!(targets[3], Values::F32(vec![0.5, 1.5, 2.5, 3.5, 4.5]));
}

#[test]
fn what_does_not_fit_is_named() {
    let path = table();
    let null = damage(&read(&path, &["a", "gap"], &[]).unwrap_err(), &path);
    assert!(null.contains("row 1, column \"gap\": has no value"), "{null}");
    let text = damage(&read(&path, &["class"], &[]).unwrap_err(), &path);
    assert!(text.contains("column \"class\": is of type BYTE_ARRAY"), "{text}");
    let absent = read(&path, &[], &["rent"]).unwrap_err();
    assert!(matches!(absent, Error::Argument { argument: "column", .. }), "{absent}");
}

#[test]
fn damaged_files_give_errors_or_samples() {
    let place = Place::new();
    let bytes = fs::read(table()).unwrap();
    let check = |damaged: &[u8]| {
        let path = place.file("changed.parquet", damaged);
        let read = |shards| {
            let file = ParquetFile::open(&path, &["a", "b"], &["class"])?;
            all(&file.source().shard(shards - 1, shards)?, 2)
        };
        for error in [1, 2].into_iter().filter_map(|shards| read(shards).err()) {
            // A changed name is a column that is not there.
            match error {
                Error::Argument { .. } => {}
                error => drop(damage(&error, &path)),
            }
        }
    };
    for end in (0..bytes.len()).step_by(17) {
        check(&bytes[..end]);
    }
    for byte in (0..bytes.len()).step_by(5) {
        for bit in [0x01, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[byte] ^= bit;
            check(&damaged);
        }
    }
}
