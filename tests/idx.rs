//! The reader of IDX files, fed with good and with damaged ones.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use minibatch::data::{
    Dataset, Features, IdxArray, TrainTest, read_idx, read_idx_dir, read_idx_pair,
    synthetic_digits_split, write_idx,
};
use minibatch::{Error, IdxProblem};
use tempfile::TempDir;

const NAMES: [&str; 4] = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
];

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

/// A directory for one test's files.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Place(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// What is wrong with a file of these bytes.
    fn problem(&self, bytes: &[u8]) -> IdxProblem {
        let path = self.file("file", bytes);
        problem_in(read_idx(&path), &path)
    }
}

/// The problem found, which must be in the file `expected`.
fn problem_in<T>(result: Result<T, Error>, expected: &Path) -> IdxProblem {
    match result {
        Err(Error::Idx { path, problem, .. }) => {
            assert_eq!(path, expected);
            problem
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("was read"),
    }
}

fn bytes(set: &Dataset) -> &[u8] {
    match &set.inputs()[0].features {
        Features::U8(pixels) => pixels,
        _ => panic!("pixels must stay bytes"),
    }
}

/// A small set of the four files: 3 and 2 images of 2 rows and 4 columns.
fn small_set() -> [Vec<u8>; 4] {
    let pixels: Vec<u8> = (0..24).collect();
    [
        idx(&[3, 2, 4], &pixels),
        idx(&[3], &[2, 0, 1]),
        idx(&[2, 2, 4], &pixels[8..]),
        idx(&[2], &[1, 0]),
    ]
}

#[test]
fn plain_and_gzip_are_told_apart_by_their_bytes() {
    let place = Place::new();
    let plain = idx(&[2, 3], &[1, 2, 3, 4, 5, 6]);
    let expected = IdxArray { shape: vec![2, 3], data: vec![1, 2, 3, 4, 5, 6] };
    for (name, bytes) in [
        ("plain", plain.clone()),
        ("plain.gz", plain.clone()),
        ("packed", gzip(&plain)),
        ("packed.gz", gzip(&plain)),
    ] {
        assert_eq!(read_idx(&place.file(name, &bytes)).unwrap(), expected, "{name}");
    }
}

#[test]
fn what_is_written_is_read_back() {
    let place = Place::new();
    let mut state = 1u32;
    for shape in [vec![1], vec![5], vec![300, 1], vec![7, 28, 28], vec![2, 3, 4, 5, 6]] {
        let size = shape.iter().product();
        let data = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        });
        let array = IdxArray { shape, data: data.take(size).collect() };
        for packed in [false, true] {
            let path = place.path().join("array");
            write_idx(&path, &array, packed).unwrap();
            let first = fs::read(&path).unwrap();
            assert_eq!(first.starts_with(&[0x1f, 0x8b]), packed);
            assert_eq!(read_idx(&path).unwrap(), array);
            write_idx(&path, &array, packed).unwrap();
            assert_eq!(fs::read(&path).unwrap(), first, "the same bytes each time");
        }
    }
    let files = fs::read_dir(place.path()).unwrap().count();
    assert_eq!(files, 1, "nothing is left beside the file");
}

#[test]
fn arrays_that_the_format_cannot_hold_are_not_written() {
    let place = Place::new();
    let path = place.file("kept", b"kept");
    for (shape, size) in [(vec![2, 3], 5), (vec![usize::MAX, 2], 1)] {
        let array = IdxArray { shape, data: vec![0; size] };
        assert!(matches!(write_idx(&path, &array, true), Err(Error::Shape { .. })));
    }
    for (shape, size) in [(vec![], 1), (vec![0], 0), (vec![1; 256], 1), (vec![1 << 32, 0], 0)] {
        let array = IdxArray { shape, data: vec![0; size] };
        assert!(matches!(write_idx(&path, &array, true), Err(Error::Argument { .. })));
    }
    assert_eq!(fs::read(&path).unwrap(), b"kept");

    let nowhere = place.path().join("missing").join("file");
    let array = IdxArray { shape: vec![1], data: vec![0] };
    assert!(matches!(write_idx(&nowhere, &array, false), Err(Error::Io { .. })));
}

#[test]
fn a_wrong_magic_is_refused() {
    let place = Place::new();
    for start in [*b"<!DO", [0, 1, 8, 1], [1, 0, 8, 1], [0, 0, 13, 1], [8, 0, 0, 1]] {
        let file = [&start[..], &[0, 0, 0, 1, 7]].concat();
        assert_eq!(place.problem(&file), IdxProblem::Magic { actual: start });
        assert_eq!(place.problem(&gzip(&file)), IdxProblem::Magic { actual: start });
    }
}

#[test]
fn dimensions_of_none_or_zero_are_refused() {
    let place = Place::new();
    let none = IdxProblem::Dimensions { actual: 0, expected: "at least 1".into() };
    assert_eq!(place.problem(&idx(&[], &[1])), none);
    assert_eq!(place.problem(&idx(&[0], &[])), IdxProblem::Empty(vec![0]));
    assert_eq!(place.problem(&idx(&[2, 0, 28], &[])), IdxProblem::Empty(vec![2, 0, 28]));
    // Not hidden by a product that overflows.
    let sizes = [u32::MAX, u32::MAX, u32::MAX, 0];
    let empty = IdxProblem::Empty(sizes.map(|size| size as usize).to_vec());
    assert_eq!(place.problem(&idx(&sizes, &[])), empty);
}

#[test]
fn a_file_cut_anywhere_is_truncated() {
    let place = Place::new();
    let file = idx(&[3, 2], &[1, 2, 3, 4, 5, 6]);
    for length in 0..file.len() {
        let expected = match length {
            0..4 => 4,
            4..12 => 12,
            _ => 18,
        };
        let problem = IdxProblem::Truncated { expected, actual: length as u64 };
        assert_eq!(place.problem(&file[..length]), problem);
        // The same within a gzip stream that is itself whole.
        assert_eq!(place.problem(&gzip(&file[..length])), problem);
    }
}

#[test]
fn a_gzip_stream_cut_anywhere_is_damaged() {
    let place = Place::new();
    let file = gzip(&idx(&[3, 2], &[1, 2, 3, 4, 5, 6]));
    for length in 1..file.len() {
        let problem = place.problem(&file[..length]);
        assert_eq!(problem, IdxProblem::Gzip("it ends too early".into()), "{length} bytes");
    }
}

#[test]
fn a_gzip_stream_with_a_flipped_bit_is_never_read_as_good() {
    let place = Place::new();
    let array = idx(&[40, 2], &(0..80u32).map(|i| (i * 7 % 11) as u8).collect::<Vec<u8>>());
    let good = gzip(&array);
    let expected = read_idx(&place.file("good", &good)).unwrap();
    let mut damaged = 0;
    for bit in 0..good.len() * 8 {
        let mut file = good.clone();
        file[bit / 8] ^= 1 << (bit % 8);
        // The time stamp and the like may change without harm: then the data must be right.
        match read_idx(&place.file("flipped", &file)) {
            Ok(array) => assert_eq!(array, expected, "bit {bit}"),
            Err(Error::Idx { .. }) => damaged += 1,
            Err(other) => panic!("bit {bit}: {other}"),
        }
    }
    // All but some of the 10 bytes of the stream's header.
    assert!(damaged >= (good.len() - 10) * 8, "{damaged} of {} flips found", good.len() * 8);
}

#[test]
fn a_wrong_gzip_checksum_is_damage() {
    let place = Place::new();
    let mut file = gzip(&idx(&[3], &[1, 2, 3]));
    let checksum = file.len() - 8;
    file[checksum] ^= 1;
    assert!(matches!(place.problem(&file), IdxProblem::Gzip(_)));
    let error = read_idx(&place.file("file", &file)).unwrap_err();
    let source = std::error::Error::source(&error).expect("what the decompressor said is lost");
    assert!(error.to_string().ends_with(&source.to_string()), "{error} has the source {source}");
}

#[test]
fn bytes_after_the_end_are_refused() {
    let place = Place::new();
    let (file, trailing) = (idx(&[3], &[1, 2, 3]), IdxProblem::Trailing { expected: 11 });
    let longer = [&file[..], &[0]].concat();
    assert_eq!(place.problem(&longer), trailing);
    assert_eq!(place.problem(&gzip(&longer)), trailing);
    // After the gzip member: padding, rubbish, a second member.
    for tail in [vec![0], b"rubbish".to_vec(), gzip(&[]), gzip(&file)] {
        assert_eq!(place.problem(&[gzip(&file), tail].concat()), trailing);
    }
}

#[test]
fn a_claim_above_the_limit_is_refused() {
    let place = Place::new();
    let limit = 1 << 31;
    let too_large = |claimed: &str| IdxProblem::TooLarge { claimed: claimed.into(), limit };
    assert_eq!(place.problem(&idx(&[1 << 30, 3], &[])), too_large("3221225472"));
    assert_eq!(place.problem(&idx(&[u32::MAX; 9], &[1])), too_large("2^64 or more"));
    let most = [u32::MAX; 255];
    assert_eq!(place.problem(&gzip(&idx(&most, &[1]))), too_large("2^64 or more"));
}

#[test]
fn a_claim_that_is_not_kept_costs_no_memory() {
    let place = Place::new();
    // 2 GiB are claimed and 5 bytes are there.
    let file = idx(&[1 << 16, 1 << 15], &[1, 2, 3, 4, 5]);
    let truncated = IdxProblem::Truncated { expected: 12 + (1 << 31), actual: 17 };
    let before = largest_size_in_kib();
    assert_eq!(place.problem(&file), truncated);
    assert_eq!(place.problem(&gzip(&file)), truncated);
    // Other tests run at the same time and need some, but not so much.
    if let (Some(before), Some(after)) = (before, largest_size_in_kib()) {
        assert!(after - before < 1 << 20, "grew by {} KiB", after - before);
    }
}

/// The most address space this process has had; `None` where the system does not tell.
fn largest_size_in_kib() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[test]
fn a_gzip_bomb_is_left_after_its_claim() {
    let place = Place::new();
    // 64 MiB of zeros in 64 KiB, behind a header that claims 4 bytes. That no more than one byte
    // beyond them is taken from the decoder is tested within the reader.
    let bomb = gzip(&idx(&[4], &vec![0; 64 << 20]));
    assert_eq!(place.problem(&bomb), IdxProblem::Trailing { expected: 12 });
}

#[test]
fn what_is_no_file_is_an_error_of_the_system() {
    let place = Place::new();
    let is_io = |path: &Path| matches!(read_idx(path), Err(Error::Io { .. }));
    assert!(is_io(&place.path().join("missing")));
    assert!(is_io(place.path()));
}

#[test]
fn images_and_labels_make_a_data_set_of_any_sample_shape() {
    let place = Place::new();
    let labels = place.file("labels", &idx(&[2], &[3, 255]));
    for shape in [vec![2, 3], vec![2, 3, 1], vec![2, 1, 3, 1]] {
        let images = place.file("images", &gzip(&idx(&shape, &[1, 2, 3, 4, 5, 6])));
        let set = read_idx_pair(&images, &labels).unwrap();
        let sample_shape: Vec<usize> = shape[1..].iter().map(|&size| size as usize).collect();
        assert_eq!(set.sample_shape(), sample_shape);
        assert_eq!((set.len(), set.width(), set.classes()), (2, 3, 256));
        assert_eq!((bytes(&set), set.labels()), (&[1, 2, 3, 4, 5, 6][..], &[3, 255][..]));
    }
}

#[test]
fn images_and_labels_that_do_not_fit_are_refused() {
    let place = Place::new();
    let images = place.file("images", &idx(&[2, 1, 2], &[1, 2, 3, 4]));
    let labels = place.file("labels", &idx(&[2], &[0, 1]));
    let three = place.file("three", &idx(&[3], &[0, 1, 2]));

    let counts = problem_in(read_idx_pair(&images, &three), &three);
    let images_file = images.display().to_string();
    assert_eq!(counts, IdxProblem::Counts { labels: 3, images: 2, images_file });

    // Exchanged, or of the wrong number of dimensions.
    let problem = problem_in(read_idx_pair(&labels, &images), &images);
    assert_eq!(problem, IdxProblem::Dimensions { actual: 3, expected: "1 for labels".into() });
    let problem = problem_in(read_idx_pair(&labels, &labels), &labels);
    let expected = "2 or more for images".into();
    assert_eq!(problem, IdxProblem::Dimensions { actual: 1, expected });
}

#[test]
fn a_directory_is_read_in_every_spelling() {
    type Spelling = fn(&str) -> String;
    let spellings: [Spelling; 4] = [
        |name| name.into(),
        |name| format!("{name}.gz"),
        |name| name.replace("-idx", ".idx"),
        |name| format!("{}.gz", name.replace("-idx", ".idx")),
    ];
    for spelling in spellings {
        let place = Place::new();
        for (name, file) in NAMES.iter().zip(small_set()) {
            let name = spelling(name);
            let file = if name.ends_with(".gz") { gzip(&file) } else { file };
            place.file(&name, &file);
        }
        let TrainTest { train, test } = read_idx_dir(place.path()).unwrap();
        assert_eq!((train.labels(), test.labels()), (&[2, 0, 1][..], &[1, 0][..]));
        assert_eq!((train.sample_shape(), test.sample_shape()), (&[2, 4][..], &[2, 4][..]));
        assert_eq!((train.classes(), test.classes()), (3, 3), "the training set's classes");
    }
}

#[test]
fn a_missing_file_is_named_with_the_four_that_are_needed() {
    for missing in NAMES {
        let place = Place::new();
        for (name, file) in NAMES.iter().zip(small_set()) {
            if *name != missing {
                place.file(name, &file);
            }
        }
        // A directory of that name, as some archives unpack to, is no file.
        fs::create_dir(place.path().join(missing)).unwrap();
        let error = read_idx_dir(place.path()).unwrap_err();
        assert!(matches!(&error, Error::MissingFile { missing: name, .. } if name == missing));
        let message = error.to_string();
        assert!(NAMES.iter().all(|name| message.contains(name)), "{message}");
    }
    let nowhere = Place::new().path().join("nowhere");
    assert!(matches!(read_idx_dir(&nowhere), Err(Error::Io { .. })));
}

#[test]
fn a_test_set_that_does_not_fit_the_training_set_is_refused() {
    let with = |which: usize, file: Vec<u8>| {
        let place = Place::new();
        let mut files = small_set();
        files[which] = file;
        for (name, file) in NAMES.iter().zip(&files) {
            place.file(name, file);
        }
        problem_in(read_idx_dir(place.path()), &place.path().join(NAMES[which]))
    };
    assert_eq!(
        with(2, idx(&[2, 4, 2], &[0; 16])),
        IdxProblem::SampleShape { actual: vec![4, 2], expected: vec![2, 4] }
    );
    assert_eq!(with(3, idx(&[2], &[1, 3])), IdxProblem::Label { label: 3, sample: 1, classes: 3 });
}

#[test]
fn classes_can_be_more_than_occur_but_not_fewer() {
    let features = || Features::U8(vec![0; 3].into());
    let set = Dataset::new(features(), &[1], vec![0, 4, 2]).unwrap();
    assert_eq!(set.classes(), 5);
    assert_eq!(set.clone().with_classes(9).unwrap().classes(), 9);
    let error = set.clone().with_classes(4).unwrap_err();
    assert!(matches!(error, Error::Label { label: 4, sample: 1, classes: 4 }), "{error}");
    // Within a slice, samples are counted from its beginning, and only its own labels matter.
    let slice = set.slice(1..3).unwrap();
    assert!(matches!(slice.with_classes(4), Err(Error::Label { label: 4, sample: 0, classes: 4 })));
    assert_eq!(set.slice(2..3).unwrap().with_classes(3).unwrap().classes(), 3);
}

#[test]
fn the_sample_is_what_the_program_draws() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/digits-sample");
    let stored = read_idx_dir(&directory).unwrap();
    let drawn = synthetic_digits_split(1_500, 500, 0).unwrap();
    assert_eq!(stored.train.labels(), drawn.train.labels());
    assert_eq!(stored.test.labels(), drawn.test.labels());
    assert_eq!(stored.train.classes(), drawn.train.classes());
    let stored = [bytes(&stored.train), bytes(&stored.test)].concat();
    // Training and test are slices of one set.
    let different = stored.iter().zip(bytes(&drawn.train)).filter(|(a, b)| a != b).count();
    assert_eq!((stored.len(), different), (bytes(&drawn.train).len(), 0));
    // The bundled sample stays small.
    let size: u64 = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    assert!(size < 1_000_000, "{size} bytes");
}

#[test]
fn real_mnist_is_read_right() {
    let Some(directory) = std::env::var_os("MNIST_DIR").filter(|value| !value.is_empty()) else {
        eprintln!("skipped: MNIST_DIR is not set");
        return;
    };
    let TrainTest { train, test } = read_idx_dir(Path::new(&directory)).unwrap();
    assert_eq!((train.len(), test.len()), (60_000, 10_000));
    assert_eq!((train.sample_shape(), test.sample_shape()), (&[28, 28][..], &[28, 28][..]));
    assert_eq!((train.classes(), test.classes()), (10, 10));
    let mut histogram = [0; 10];
    for &label in train.labels() {
        histogram[label as usize] += 1;
    }
    assert_eq!(histogram, [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]);
    assert_eq!(&train.labels()[..10], [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]);
}
