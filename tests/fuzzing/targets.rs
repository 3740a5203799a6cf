//! Every reader of files and texts as a function of bytes, whatever they are: the loop beside this and
//! cargo-fuzz (`fuzz/`) call the same. A reader returns what it has read, or an error.

use std::fmt::Display;
use std::io::Write;
use std::path::{Path, PathBuf};

use minibatch::callbacks::BackupAndRestore;
use minibatch::data::text::{ClassifiedText, TextFile, TextSettings, TextVectorizer};
use minibatch::data::{Csv, Source, StoredArray, StoredArrays, Visit, read_idx};
use minibatch::{Activation, Adam, Cpu, Loss, Model, Sequential};

/// One reader.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    /// Inputs that are right, or nearly.
    pub(crate) seeds: fn() -> Vec<Vec<u8>>,
    /// Reads the bytes; files are written to the directory.
    pub(crate) read: fn(&[u8], &Path) -> Result<(), String>,
}

/// Each of them.
pub(crate) const TARGETS: &[Target] = &[
    Target { name: "idx", seeds: idx_seeds, read: idx },
    Target { name: "idx_gzip", seeds: idx_seeds, read: idx_gzip },
    Target { name: "csv", seeds: csv_seeds, read: csv },
    Target { name: "npy", seeds: npy_seeds, read: npy },
    Target { name: "npz", seeds: npz_seeds, read: npz },
    Target { name: "safetensors", seeds: safetensors_seeds, read: safetensors },
    #[cfg(feature = "images")]
    Target { name: "png", seeds: png_seeds, read: png },
    #[cfg(feature = "images")]
    Target { name: "jpeg", seeds: jpeg_seeds, read: jpeg },
    #[cfg(feature = "parquet")]
    Target { name: "parquet", seeds: parquet_seeds, read: parquet },
    Target { name: "texts", seeds: texts_seeds, read: texts },
    Target { name: "vocabulary", seeds: vocabulary_seeds, read: vocabulary },
    Target { name: "model", seeds: model_seeds, read: model },
    Target { name: "model_header", seeds: model_header_seeds, read: model_header },
    Target { name: "backup_note", seeds: backup_note_seeds, read: backup_note },
];

/// Reads `bytes` as the target of that name does; what cargo-fuzz calls.
#[allow(dead_code, reason = "cargo-fuzz calls it")]
pub(crate) fn run(name: &str, bytes: &[u8]) {
    let directory = tempfile::tempdir().expect("a directory for the file");
    for target in TARGETS.iter().filter(|target| target.name == name) {
        let _ = (target.read)(bytes, directory.path());
    }
}

/// What an error says: a message that cannot be formatted is a defect too.
fn said(error: impl Display) -> String {
    error.to_string()
}

fn file(directory: &Path, name: &str, bytes: &[u8]) -> Result<PathBuf, String> {
    let path = directory.join(name);
    std::fs::write(&path, bytes).map_err(said)?;
    Ok(path)
}

fn golden(name: &str) -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let inside = |root: &Path| std::fs::read(root.join("tests/formats/golden").join(name));
    // This package, or the one of cargo-fuzz within it.
    inside(root).or_else(|_| inside(&root.join(".."))).expect("a golden file")
}

/// A few batches: a reader that works on the first ones works on the rest of a mutated file.
fn all(source: &Source) -> Result<(), String> {
    for batch in source.batches(7, &Visit::default()).map_err(said)?.take(20) {
        batch.map_err(said)?;
    }
    Ok(())
}

fn idx_seeds() -> Vec<Vec<u8>> {
    let images = [&[0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 2][..], &[7; 12]].concat();
    let labels = vec![0, 0, 8, 1, 0, 0, 0, 3, 1, 0, 2];
    let shorts = vec![0, 0, 0x0b, 1, 0, 0, 0, 2, 1, 0, 2, 0];
    vec![images, labels, shorts]
}

fn idx(bytes: &[u8], directory: &Path) -> Result<(), String> {
    let path = file(directory, "idx", bytes)?;
    let whole = read_idx(&path).map(drop).map_err(said);
    let array = StoredArray::idx(&path).map_err(said)?;
    all(&StoredArrays::new([("input", array)], []).map_err(said)?.source())?;
    whole
}

fn idx_gzip(bytes: &[u8], directory: &Path) -> Result<(), String> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).map_err(said)?;
    let path = file(directory, "idx.gz", &gzip.finish().map_err(said)?)?;
    let whole = read_idx(&path).map(drop).map_err(said);
    let array = StoredArray::idx(&path).map_err(said)?;
    all(&StoredArrays::new([("input", array)], []).map_err(said)?.stream())?;
    // And as a stream that is no gzip, or a damaged one.
    idx(&[&[0x1f, 0x8b, 8, 0], bytes].concat(), directory).ok();
    whole
}

fn csv_seeds() -> Vec<Vec<u8>> {
    let table =
        "rooms,district,rent\n3, north ,900\n2,\"so\"\"uth\",850\n4.5,\"a\nb\",1e3\n,?,-7\n";
    vec![table.into(), "1,2,3\n4,5,6\n".into(), "\u{feff}a;b\n1;2\n".into()]
}

fn csv(bytes: &[u8], directory: &Path) -> Result<(), String> {
    let path = file(directory, "table.csv", bytes)?;
    let file = Csv::new(&path).open().map_err(said)?;
    all(&file.source())?;
    all(&file.stream())?;
    let target = file.columns().last().map(|column| column.name.clone()).unwrap_or_default();
    all(&Csv::new(&path).target(target).open().map_err(said)?.source())
}

fn npy_seeds() -> Vec<Vec<u8>> {
    ["u1", "f4", "f8", "i2", "fortran", "big_endian", "bool", "labels"]
        .map(|name| golden(&format!("{name}.npy")))
        .into()
}

fn array(array: minibatch::Result<StoredArray>) -> Result<(), String> {
    let arrays = StoredArrays::new([("input", array.map_err(said)?)], []).map_err(said)?;
    if arrays.is_compressed() { all(&arrays.stream()) } else { all(&arrays.source()) }
}

fn npy(bytes: &[u8], directory: &Path) -> Result<(), String> {
    array(StoredArray::npy(&file(directory, "x.npy", bytes)?))
}

fn npz_seeds() -> Vec<Vec<u8>> {
    ["stored", "compressed"].map(|name| golden(&format!("{name}.npz"))).into()
}

fn npz(bytes: &[u8], directory: &Path) -> Result<(), String> {
    let path = file(directory, "x.npz", bytes)?;
    ["x", "y"].map(|name| array(StoredArray::npz(&path, name))).into_iter().collect()
}

fn safetensors_seeds() -> Vec<Vec<u8>> {
    vec![golden("arrays.safetensors")]
}

fn safetensors(bytes: &[u8], directory: &Path) -> Result<(), String> {
    let path = file(directory, "x.safetensors", bytes)?;
    let read = ["x", "half", "y"].map(|name| array(StoredArray::safetensors(&path, name)));
    read.into_iter().collect()
}

#[cfg(feature = "images")]
fn image(bytes: &[u8], directory: &Path, name: &str) -> Result<(), String> {
    use minibatch::data::{ImageColour, ImageDirectory};
    // Beside one that is right: the first one says how large all are.
    for class in ["a", "b"] {
        std::fs::create_dir_all(directory.join("images").join(class)).map_err(said)?;
    }
    let right = golden(&format!("grey.{name}"));
    let [first, second] =
        if bytes.len().is_multiple_of(2) { [&right[..], bytes] } else { [bytes, &right[..]] };
    file(directory, &format!("images/a/1.{name}"), first)?;
    file(directory, &format!("images/b/2.{name}"), second)?;
    let directory = directory.join("images");
    let grey = ImageDirectory::open(&directory, ImageColour::Grey).map_err(said)?;
    let rgb = ImageDirectory::open(&directory, ImageColour::Rgb).map_err(said)?;
    all(&grey.source()).and(all(&rgb.source()))
}

#[cfg(feature = "images")]
fn png_seeds() -> Vec<Vec<u8>> {
    ["grey", "grey16", "palette", "rgb"].map(|name| golden(&format!("{name}.png"))).into()
}

/// A wrong checksum would hide what else is wrong, so that each part is given the right one.
#[cfg(feature = "images")]
fn png(bytes: &[u8], directory: &Path) -> Result<(), String> {
    let mut bytes = bytes.to_vec();
    let mut at = 8;
    while let Some(length) = bytes.get(at..).and_then(|part| part.first_chunk()) {
        let end = (at + 8).saturating_add(u32::from_be_bytes(*length) as usize);
        let mut crc = flate2::Crc::new();
        let Some(part) = bytes.get(at + 4..end) else { break };
        crc.update(part);
        let Some(told) = bytes.get_mut(end..).and_then(|rest| rest.first_chunk_mut()) else {
            break;
        };
        *told = crc.sum().to_be_bytes();
        at = end + 4;
    }
    image(&bytes, directory, "png")
}

#[cfg(feature = "images")]
fn jpeg_seeds() -> Vec<Vec<u8>> {
    ["grey", "rgb"].map(|name| golden(&format!("{name}.jpg"))).into()
}

#[cfg(feature = "images")]
fn jpeg(bytes: &[u8], directory: &Path) -> Result<(), String> {
    image(bytes, directory, "jpg")
}

#[cfg(feature = "parquet")]
fn parquet_seeds() -> Vec<Vec<u8>> {
    vec![golden("table.parquet")]
}

#[cfg(feature = "parquet")]
fn parquet(bytes: &[u8], directory: &Path) -> Result<(), String> {
    let path = file(directory, "x.parquet", bytes)?;
    let open = minibatch::data::ParquetFile::open(&path, &["a", "b"], &["class"]);
    all(&open.map_err(said)?.source())
}

fn texts_seeds() -> Vec<Vec<u8>> {
    let rows =
        "1,\"Oil prices \"\"fell\"\".\"\n2,A match\n1,\"two\nlines\",more\n3,\u{e9}t\u{e9}\n";
    vec![rows.into(), "\"4\",\"x\"\r\n\"1\",\"y\"\r\n".into()]
}

fn texts(bytes: &[u8], directory: &Path) -> Result<(), String> {
    let path = file(directory, "texts.csv", bytes)?;
    let mut rows = ClassifiedText::open(&path).map_err(said)?;
    let (mut text, mut read) = (String::new(), Vec::new());
    while let Some(class) = rows.read(&mut text).map_err(said)? {
        read.push(Ok((text.clone(), class)));
    }
    let vectorizer = TextSettings::new().min_df(1).fit(read).map_err(said)?;
    all(&TextFile::open(&path).map_err(said)?.source(vectorizer).map_err(said)?)
}

fn vocabulary_seeds() -> Vec<Vec<u8>> {
    let texts = [("The match was lost.", 0), ("Oil prices fell.", 1), ("The match of oil!", 0)];
    let vectorizer = TextSettings::new().min_df(1).fit(texts.map(Ok)).and_then(|it| it.to_json());
    vec![vectorizer.expect("a vocabulary").into_bytes()]
}

fn vocabulary(bytes: &[u8], _: &Path) -> Result<(), String> {
    let text = String::from_utf8_lossy(bytes);
    let vectorizer = TextVectorizer::from_json(&text).map_err(said)?;
    let mut row = minibatch::data::text::SparseRow::default();
    vectorizer.transform("The match of oil, was it lost? Oil!", &mut row);
    Ok(())
}

fn small_model() -> Vec<u8> {
    let compiled = Sequential::new(3)
        .dense(4, Activation::Relu)
        .batch_normalization()
        .dropout(0.5)
        .dense(2, Activation::Softmax)
        .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [])
        .schedule(minibatch::schedule::ExponentialDecay::new(0.1, 10, 0.5));
    let mut model = compiled.build(&Cpu::new()).expect("a model");
    model.set_metadata("class_names", "[\"a\", \"b\"]").expect("metadata");
    model.save_bytes().expect("its bytes")
}

fn model_seeds() -> Vec<Vec<u8>> {
    vec![small_model()]
}

fn model(bytes: &[u8], _: &Path) -> Result<(), String> {
    Model::load_bytes(bytes, &Cpu::new()).map(drop).map_err(said)
}

/// The metadata of a model's file without its checksum, which would refuse every change.
fn model_header_seeds() -> Vec<Vec<u8>> {
    let bytes = small_model();
    let (_, metadata) = safetensors::SafeTensors::read_metadata(&bytes).expect("a whole file");
    let header = metadata.metadata().as_ref().and_then(|entries| entries.get("minibatch"));
    let header = header.and_then(|text| text.rsplit_once(",\"checksum\":"));
    vec![format!("{}}}", header.expect("a checksum").0).into_bytes()]
}

fn with_header(header: &[u8]) -> Vec<u8> {
    let header = String::from_utf8_lossy(header).into_owned();
    let right = small_model();
    let file = safetensors::SafeTensors::deserialize(&right).expect("a whole file");
    let entries = std::collections::HashMap::from([("minibatch".to_owned(), header)]);
    safetensors::serialize(file.tensors(), Some(entries)).expect("a file")
}

fn model_header(bytes: &[u8], directory: &Path) -> Result<(), String> {
    model(&with_header(bytes), directory)
}

/// What a checkpoint says of its run, besides the model.
fn backup_note_seeds() -> Vec<Vec<u8>> {
    let scores =
        r#"{"loss":0.5,"metrics":[["accuracy",0.9]],"confusion_matrices":[["m",2,[1,2,3,4]]]}"#;
    let note = format!(
        r#"{{"notes":{{"a":"b"}},"epochs":[{{"epoch":1,"training":{scores},"validation":null,"learning_rate":0.1,"seconds":1.5,"resumed_after":0}}]}}"#
    );
    vec![note.into_bytes()]
}

fn backup_note(bytes: &[u8], directory: &Path) -> Result<(), String> {
    let note = serde_json::to_string(&String::from_utf8_lossy(bytes)).map_err(said)?;
    let mut header = model_header_seeds().concat();
    // The brace that closes it.
    header.pop();
    header.extend(format!(",\"note\":{note}}}").bytes());
    let backups = directory.join("backups");
    std::fs::create_dir_all(&backups).map_err(said)?;
    file(&backups, "after-epoch-1-step-2-of-3.safetensors", &with_header(&header))?;
    BackupAndRestore::new(&backups).latest().map(drop).map_err(said)
}
