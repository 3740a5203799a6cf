//! IDX files of any size, read by position and as streams.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use minibatch::data::{
    Element, Features, RandomAccess, Samples, Source, StoredArray, StoredArrays, Values, Visit,
    read_idx_pair,
};
use minibatch::{Error, IdxProblem};

use crate::files::{Place, all, columns, damage, fuzz};

/// The bytes of an IDX file that claims `sizes` and holds `data`.
fn idx(sizes: &[u32], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, sizes.len() as u8];
    bytes.extend(sizes.iter().flat_map(|size| size.to_be_bytes()));
    bytes.extend(data);
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// 50 images of 3 rows and 5 columns, and their labels.
fn pair() -> (Vec<u8>, Vec<u8>) {
    let pixels: Vec<u8> = (0..750u32).map(|i| (i * i % 251) as u8).collect();
    let labels: Vec<u8> = (0..50u32).map(|i| (i * 7 % 10) as u8).collect();
    (idx(&[50, 3, 5], &pixels), idx(&[50], &labels))
}

fn written(place: &Place, packed: bool) -> (PathBuf, PathBuf) {
    let (images, labels) = pair();
    let file = |name: &str, bytes: Vec<u8>| match packed {
        true => place.file(&format!("{name}.gz"), &gzip(&bytes)),
        false => place.file(name, &bytes),
    };
    (file("images", images), file("labels", labels))
}

fn problem<T>(result: Result<T, Error>, expected: &Path) -> IdxProblem {
    match result {
        Err(Error::Idx { path, problem, .. }) => {
            assert_eq!(path, expected);
            problem
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("was read"),
    }
}

#[test]
fn samples_are_those_of_the_files_read_whole() {
    let place = Place::new();
    for packed in [false, true] {
        let (images, labels) = written(&place, packed);
        let whole = read_idx_pair(&images, &labels).unwrap();
        let Features::U8(pixels) = &whole.inputs()[0].features else { panic!("bytes") };
        let expected = [Values::U8(pixels.to_vec()), Values::U32(whole.labels().to_vec())];

        let arrays = StoredArrays::idx_pair(&images, &labels).unwrap();
        assert_eq!(arrays.is_compressed(), packed);
        assert_eq!((arrays.len(), arrays.classes(), arrays.bytes()), (50, Some(10), 50 * 16));
        let source = arrays.source();
        assert_eq!(source.is_stream(), packed);
        assert_eq!(source.len(), Some(50));
        assert_eq!(source.fields().inputs()[0].shape, [3, 5]);
        assert_eq!(source.fields().inputs()[0].element, Element::U8);
        for source in [source, arrays.stream()] {
            for batch_size in [1, 7, 50, 1000] {
                assert_eq!(all(&source, batch_size).unwrap().columns(), expected);
            }
            // Each pass begins anew.
            assert_eq!(columns(&source), expected);
        }
    }
}

#[test]
fn samples_come_in_the_order_asked_for() {
    let place = Place::new();
    let (images, labels) = written(&place, false);
    let arrays = StoredArrays::idx_pair(&images, &labels).unwrap();
    let orders: [&[usize]; 4] =
        [&[49, 0, 1, 2, 17], &[3, 3, 4], &[], &[5, 4, 3, 10, 11, 12, 13, 49]];
    let one_by_one = |indices: &[usize]| {
        let mut samples = Samples::new(std::sync::Arc::clone(arrays.fields()));
        for &index in indices {
            arrays.read(index, &Visit::default(), &mut samples).unwrap();
        }
        samples
    };
    let (bytes, classes) = pair();
    for indices in orders {
        let mut samples = Samples::new(std::sync::Arc::clone(arrays.fields()));
        arrays.read_all(indices, &Visit::default(), &mut samples).unwrap();
        assert_eq!(samples.columns(), one_by_one(indices).columns());
        let pixels = indices.iter().flat_map(|i| &bytes[16 + 15 * i..][..15]).copied().collect();
        let labels = indices.iter().map(|i| classes[8 + i].into()).collect();
        assert_eq!(samples.columns(), [Values::U8(pixels), Values::U32(labels)]);
    }
    assert!(arrays.place(7).ends_with("images, sample 7"));
    let beyond = arrays.read(50, &Visit::default(), &mut one_by_one(&[])).unwrap_err();
    assert!(damage(&beyond, &images).contains("of 50 samples"), "{beyond}");
}

#[test]
fn a_directory_gives_two_sets_of_the_same_classes() {
    let place = Place::new();
    let images = |n: u32| idx(&[n, 2, 2], &vec![9; 4 * n as usize]);
    place.file("train-images-idx3-ubyte", &images(3));
    place.file("train-labels-idx1-ubyte.gz", &gzip(&idx(&[3], &[4, 0, 1])));
    place.file("t10k-images.idx3-ubyte.gz", &gzip(&images(2)));
    let test_labels = place.file("t10k-labels-idx1-ubyte", &idx(&[2], &[1, 0]));
    let (train, test) = Source::idx_dir(place.path()).unwrap();
    assert_eq!((train.len(), test.len()), (Some(3), Some(2)));
    for source in [&train, &test] {
        assert_eq!(source.fields().targets()[0].classes, Some(5));
    }
    assert_eq!(columns(&test)[1], Values::U32(vec![1, 0]));

    fs::write(&test_labels, idx(&[2], &[4, 5])).unwrap();
    let label = IdxProblem::Label { label: 5, sample: 1, classes: 5 };
    assert_eq!(problem(Source::idx_dir(place.path()), &test_labels), label);
    fs::write(&test_labels, idx(&[2], &[4, 4])).unwrap();
    let other = place.file("t10k-images.idx3-ubyte.gz", &idx(&[2, 4], &[0; 8]));
    let shape = IdxProblem::SampleShape { actual: vec![4], expected: vec![2, 2] };
    assert_eq!(problem(Source::idx_dir(place.path()), &other), shape);
    fs::remove_file(other).unwrap();
    let missing = Source::idx_dir(place.path()).unwrap_err();
    assert!(matches!(missing, Error::MissingFile { .. }), "{missing}");
}

#[test]
fn images_and_labels_must_belong_together() {
    let place = Place::new();
    let images = place.file("images", &idx(&[2, 3], &[0; 6]));
    let labels = place.file("labels", &idx(&[3], &[0; 3]));
    let counts =
        IdxProblem::Counts { labels: 3, images: 2, images_file: images.display().to_string() };
    assert_eq!(problem(Source::idx_pair(&images, &labels), &labels), counts);
    let swapped = problem(Source::idx_pair(&labels, &labels), &labels);
    assert!(matches!(swapped, IdxProblem::Dimensions { actual: 1, .. }), "{swapped}");
    let swapped = problem(Source::idx_pair(&images, &images), &images);
    assert!(matches!(swapped, IdxProblem::Dimensions { actual: 2, .. }), "{swapped}");
}

#[test]
fn claims_are_compared_with_what_is_there() {
    let place = Place::new();
    let open = |bytes: &[u8]| {
        let path = place.file("file", bytes);
        problem(StoredArray::idx(&path), &path)
    };
    let terabytes = idx(&[1 << 30, 1 << 10], &[0; 100]);
    let expected = (1 << 40) + 12;
    assert_eq!(open(&terabytes), IdxProblem::Truncated { expected, actual: 112 });
    assert_eq!(open(&idx(&[2], &[0; 3])), IdxProblem::Trailing { expected: 10 });
    let overflow = open(&idx(&[u32::MAX; 3], &[0]));
    assert!(matches!(overflow, IdxProblem::TooLarge { .. }), "{overflow}");
    assert_eq!(open(&[]), IdxProblem::Truncated { expected: 4, actual: 0 });

    // A stream finds it when the data end, and takes no memory for what does not come.
    let images = place.file("images", &gzip(&idx(&[2, 1 << 30, 1 << 10], &[7; 5000])));
    let labels = place.file("labels", &idx(&[2], &[0, 1]));
    let source = Source::idx_pair(&images, &labels).unwrap();
    let expected = (1 << 41) + 16;
    assert_eq!(problem(all(&source, 1), &images), IdxProblem::Truncated { expected, actual: 5016 });
    // Labels are read when the files are opened.
    let labels = place.file("labels", &gzip(&idx(&[u32::MAX], &[1; 300])));
    let actual = problem(Source::idx_pair(&images, &labels), &labels);
    assert!(matches!(actual, IdxProblem::Counts { .. }), "{actual}");
}

#[test]
fn the_end_of_a_gzip_file_is_checked_with_the_last_sample() {
    let place = Place::new();
    let (bytes, labels) = pair();
    let labels = place.file("labels", &labels);
    let packed = gzip(&bytes);
    let last_batch = |bytes: &[u8]| {
        let images = place.file("images", bytes);
        let source = Source::idx_pair(&images, &labels).unwrap();
        let mut batches = source.batches(25, &Visit::default()).unwrap();
        assert_eq!(batches.next().unwrap().unwrap().len(), 25);
        let last = problem(batches.next().unwrap(), &images);
        assert!(batches.next().is_none());
        last
    };
    let mut checksum = packed.clone();
    let place_of_checksum = checksum.len() - 8;
    checksum[place_of_checksum] ^= 1;
    assert!(matches!(last_batch(&checksum), IdxProblem::Gzip(_)));
    let trailing = IdxProblem::Trailing { expected: 16 + 750 };
    assert_eq!(last_batch(&[&packed[..], &[0]].concat()), trailing);
    assert_eq!(last_batch(&[&packed[..], &gzip(&[1])].concat()), trailing);
    assert_eq!(last_batch(&gzip(&[&bytes[..], &[0]].concat())), trailing);
    assert!(matches!(last_batch(&packed[..packed.len() - 1]), IdxProblem::Gzip(_)));
}

#[test]
fn a_file_that_changes_after_it_was_opened_is_an_error_with_the_sample() {
    let place = Place::new();
    let (images, labels) = written(&place, false);
    let arrays = StoredArrays::idx_pair(&images, &labels).unwrap();
    OpenOptions::new().write(true).open(&images).unwrap().set_len(16 + 15 * 20 + 3).unwrap();
    let mut samples = Samples::new(std::sync::Arc::clone(arrays.fields()));
    arrays.read(19, &Visit::default(), &mut samples).unwrap();
    let indices: Vec<usize> = (10..40).collect();
    for error in [
        arrays.read(20, &Visit::default(), &mut samples).unwrap_err(),
        arrays.read_all(&indices, &Visit::default(), &mut samples).unwrap_err(),
        all(&arrays.stream(), 7).unwrap_err(),
    ] {
        let message = damage(&error, &images);
        assert!(message.contains("sample 20: the file ends there"), "{message}");
    }
    // A label that was none of the classes when they were counted.
    let (images, labels) = written(&place, false);
    let arrays = StoredArrays::idx_pair(&images, &labels).unwrap();
    let mut changed = fs::read(&labels).unwrap();
    changed[8 + 30] = 10;
    fs::write(&labels, changed).unwrap();
    let message = damage(&all(&arrays.source(), 7).unwrap_err(), &labels);
    assert!(message.contains("sample 30: has the value 10"), "{message}");

    let (images, labels) = written(&place, true);
    let stream = Source::idx_pair(&images, &labels).unwrap();
    fs::write(&images, gzip(&idx(&[50, 5, 3], &[0; 750]))).unwrap();
    let message = damage(&all(&stream, 7).unwrap_err(), &images);
    assert!(message.contains("has changed"), "{message}");
    let directory = StoredArray::idx(place.path()).unwrap_err();
    assert!(matches!(directory, Error::Io { .. }), "{directory}");
}

#[test]
fn files_of_more_than_4_gib_are_read_by_position() {
    let place = Place::new();
    let samples = (5u64 << 30) / 784;
    let header = idx(&[samples as u32, 28, 28], &[]);
    let images = place.file("images", &header);
    // The file has a hole: it takes no room on the disk.
    let file = File::options().write(true).open(&images).unwrap();
    file.set_len(header.len() as u64 + samples * 784 - 1).unwrap();
    drop(file);
    File::options().append(true).open(&images).unwrap().write_all(&[77]).unwrap();
    let labels = place.file("labels", &idx(&[samples as u32], &vec![3; samples as usize]));
    let arrays = StoredArrays::idx_pair(&images, &labels).unwrap();
    assert_eq!((arrays.len(), arrays.classes()), (samples as usize, Some(4)));
    let mut last = Samples::new(std::sync::Arc::clone(arrays.fields()));
    arrays.read_all(&[arrays.len() - 1], &Visit::default(), &mut last).unwrap();
    let mut expected = vec![0; 784];
    expected[783] = 77;
    assert_eq!(last.columns(), [Values::U8(expected), Values::U32(vec![3])]);
}

#[test]
fn damaged_files_give_errors_or_the_right_samples() {
    let place = Place::new();
    let (images, labels) = pair();
    let label_file = place.file("labels", &labels);
    let image_file = place.file("images", &images);
    let with_labels = |path: &Path| all(&Source::idx_pair(path, &label_file)?, 8);
    fuzz(&gzip(&images), |bytes| place.file("changed", bytes), with_labels, false);
    let with_images = |path: &Path| all(&Source::idx_pair(&image_file, path)?, 8);
    fuzz(&gzip(&labels), |bytes| place.file("changed", bytes), with_images, false);
    // A plain file has no checksum, so that another pixel is not noticed.
    fuzz(&images, |bytes| place.file("changed", bytes), with_labels, true);
    fuzz(&labels, |bytes| place.file("changed", bytes), with_images, true);
}
