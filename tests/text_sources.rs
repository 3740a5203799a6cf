//! CSV files of classes and texts as sources: any row, in any order, as it is in the file.

use std::path::PathBuf;
use std::sync::Arc;

use minibatch::data::text::{ClassifiedText, SparseRow, TextFile, TextSettings, TextVectorizer};
use minibatch::data::{
    Dataset, Features, Samples, Source, SparseMatrix, SparseRows, Values, Visit,
};
use minibatch::model::Input;
use minibatch::{Activation, Adam, Cpu, Error, Evaluate, Fit, Loss, Metric, Model, Sequential};

/// A file of these bytes, and the directory that it is deleted with.
fn file(content: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("texts.csv");
    std::fs::write(&path, content).unwrap();
    (directory, path)
}

/// Class, and the sparse row.
type Seen = (u32, Vec<u32>, Vec<f32>);

fn seen(samples: &Samples) -> Vec<Seen> {
    match (samples.input("input"), samples.target("output")) {
        (Some(Values::Sparse(rows)), Some(Values::U32(classes))) => (0..)
            .zip(classes)
            .map(|(number, &class)| {
                let (indices, values) = rows.row(number);
                (class, indices.to_vec(), values.to_vec())
            })
            .collect(),
        other => panic!("{other:?}"),
    }
}

fn all(source: &Source, batch_size: usize) -> Vec<Seen> {
    let batches = source.batches(batch_size, &Visit::default()).unwrap();
    batches.flat_map(|batch| seen(&batch.unwrap())).collect()
}

/// What the rows are by the reader that goes through a file in order.
fn expected(path: &PathBuf, vectorizer: &TextVectorizer) -> Vec<Seen> {
    let mut row = SparseRow::default();
    let rows = ClassifiedText::open(path).unwrap().map(|read| {
        let (text, class) = read.unwrap();
        vectorizer.transform(&text, &mut row);
        (class, row.indices().to_vec(), row.values().to_vec())
    });
    rows.collect()
}

fn settings() -> TextSettings {
    TextSettings::new().min_df(1)
}

#[test]
fn rows_of_all_forms_are_read_in_any_order() {
    let content =
        b"\xef\xbb\xbf3,one text\r\n\r\n\"1\",\"two, \"\"quoted\"\"\nlines\",and more\r\n\n\n \
        2 ,caf\xe9 \xff one\n1,\n2,\"last\n\"\n65,text two";
    let (_directory, path) = file(content);
    let vectorizer = Arc::new(settings().fit(ClassifiedText::open(&path).unwrap()).unwrap());
    let texts = TextFile::open(&path).unwrap();
    assert_eq!((texts.len(), texts.classes(), texts.path()), (6, 65, path.as_path()));
    let source = texts.source(Arc::clone(&vectorizer)).unwrap();
    assert_eq!((source.len(), source.is_stream()), (Some(6), false));
    let fields = source.fields();
    let [input, target] = [&fields.inputs()[0], &fields.targets()[0]];
    assert!(input.sparse && input.shape == [vectorizer.features()]);
    assert_eq!(target.classes, Some(65));

    let expected = expected(&path, &vectorizer);
    assert_eq!(expected.iter().map(|row| row.0).collect::<Vec<_>>(), [2, 0, 1, 0, 1, 64]);
    for batch_size in [1, 2, 4, 6] {
        assert_eq!(all(&source, batch_size), expected);
    }
    // Each after each, and each twice.
    for a in 0..6 {
        for b in 0..6 {
            let order = vec![a, b, b, a, (a + 1) % 6];
            let rows: Vec<Seen> = order.iter().map(|&row| expected[row].clone()).collect();
            assert_eq!(all(&source.select(order).unwrap(), 5), rows);
        }
    }
}

#[test]
fn every_row_of_a_long_file_is_found() {
    // More than there are places kept of, so that rows before are skipped; some of two lines.
    let rows = 300_007;
    let class = |row: usize| row % 65_536;
    let content: String = (0..rows)
        .map(|row| match row % 3 {
            0 => format!("{},\"a\nb\"\n", class(row) + 1),
            _ => format!("{},word{}\n", class(row) + 1, row % 2),
        })
        .collect();
    let (_directory, path) = file(content.as_bytes());
    let texts = TextFile::open(&path).unwrap();
    assert_eq!((texts.len(), texts.classes()), (rows, 65_536));
    let vectorizer = settings().fit([Ok(("word0", 0)), Ok(("word1", 1))]).unwrap();
    let source = texts.source(vectorizer).unwrap();
    let order: Vec<usize> = (0..4000).map(|i| i * 77_777 % rows).chain([rows - 1, 0, 1]).collect();
    for (row, (found, indices, _)) in
        order.iter().zip(all(&source.select(order.clone()).unwrap(), 64))
    {
        assert_eq!(found as usize, class(*row), "row {row}");
        let words = if row % 3 == 0 { vec![] } else { vec![(row % 2) as u32] };
        assert_eq!(indices, words, "row {row}");
    }
}

#[test]
fn a_damaged_file_is_refused_when_it_is_opened() {
    for (content, row, problem) in [
        (&b"1,text\n0,text\n"[..], 2, "\"0\""),
        (b"1,text\none,text\n", 2, "\"one\""),
        (b"", 1, "no rows"),
        (b"1,text\n2\n", 2, "no text"),
        (b"1,text\n2,text\n1,\"cut", 3, "cut off"),
    ] {
        let (_directory, path) = file(content);
        let error = TextFile::open(&path).unwrap_err();
        assert!(matches!(error, Error::Text { row: r, .. } if r == row), "{error}");
        let message = error.to_string();
        assert!(message.contains("texts.csv, row ") && message.contains(problem), "{message}");
        assert!(!message.contains('\n'));
    }
    let directory = tempfile::tempdir().unwrap();
    for path in [directory.path().join("missing.csv"), directory.path().to_owned()] {
        let error = TextFile::open(path).unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{error}");
    }
}

#[test]
fn a_file_that_changes_while_it_is_read_is_told_by_its_row() {
    let (_directory, path) = file(b"1,first\n2,second\n1,third\n2,fourth\n");
    let vectorizer = settings().fit(ClassifiedText::open(&path).unwrap()).unwrap();
    let source = TextFile::open(&path).unwrap().source(vectorizer).unwrap();
    let row = |row: usize| {
        let mut batches = source.skip(row).batches(1, &Visit::default()).unwrap();
        batches.next().unwrap()
    };
    assert_eq!(seen(&row(3).unwrap())[0].0, 1);
    // It shrinks: what is left can be read.
    std::fs::write(&path, "1,first\n2,second\n").unwrap();
    assert_eq!(seen(&row(1).unwrap())[0].0, 1);
    for (number, name) in [(2, "row 3"), (3, "row 4")] {
        let error = row(number).unwrap_err();
        assert!(matches!(error, Error::Data { .. }), "{error}");
        let message = error.to_string();
        assert!(message.contains("texts.csv") && message.contains(name), "{message}");
        assert!(message.contains("4 rows"), "{message}");
    }
    // In its place stands another: the third row begins within a text.
    std::fs::write(&path, "1,first\n2,sec0nd, third\n2,fourth\n").unwrap();
    let error = row(2).unwrap_err();
    assert!(matches!(error, Error::Text { row: 3, .. }), "{error}");
}

/// Sixty texts of three classes, each with a word of its class among others.
fn sixty() -> String {
    let text = |number: usize| {
        let word = ["match", "market", "planet"][number % 3];
        format!("{},\"word{} {word}\",more of text {}\n", number % 3 + 1, number % 7, number % 5)
    };
    (0..60).map(text).collect()
}

fn model(vectorizer: &TextVectorizer, classes: usize) -> Model {
    Sequential::new(Input::sparse(vectorizer.features(), vectorizer.row_values()))
        .dense(8, Activation::Relu)
        .dropout(0.1)
        .dense(classes, Activation::Softmax)
        .compile(Adam::new(0.05), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
        .seed(3)
        .build(&Cpu::new())
        .unwrap()
}

#[test]
fn a_model_learns_from_a_file_what_it_learns_from_memory() {
    let (_directory, path) = file(sixty().as_bytes());
    let vectorizer = Arc::new(settings().fit(ClassifiedText::open(&path).unwrap()).unwrap());
    let from_file = TextFile::open(&path).unwrap().source(Arc::clone(&vectorizer)).unwrap();
    let (mut rows, mut labels) = (SparseRows::default(), Vec::new());
    for (class, indices, values) in expected(&path, &vectorizer) {
        rows.push(&indices, &values).unwrap();
        labels.push(class);
    }
    let features = vectorizer.features();
    let rows = Features::Sparse(SparseMatrix::new(features, rows).unwrap());
    let in_memory = Source::from(Dataset::new(rows, &[features], labels).unwrap());

    let trained = |data: &Source, workers: usize| {
        let mut model = model(&vectorizer, 3);
        let fit = Fit::new().batch_size(16).epochs(8).workers(workers);
        model.fit(data, fit).unwrap();
        let scores = model.evaluate(data, Evaluate::new()).unwrap();
        (model.weights().unwrap(), scores.accuracy().unwrap())
    };
    let (weights, accuracy) = trained(&in_memory, 0);
    // One word tells the class of a text.
    assert!(accuracy > 0.999, "{accuracy}");
    for workers in [0, 1, 3] {
        assert!(trained(&from_file, workers) == (weights.clone(), accuracy), "{workers} workers");
    }
}

#[test]
fn a_class_that_the_model_lacks_is_told_by_file_and_row() {
    let (_directory, path) = file(sixty().as_bytes());
    let vectorizer = settings().fit(ClassifiedText::open(&path).unwrap()).unwrap();
    let mut model = model(&vectorizer, 2);
    let source = TextFile::open(&path).unwrap().source(vectorizer).unwrap();
    let error = model.evaluate(&source, Evaluate::new()).unwrap_err();
    assert!(matches!(error, Error::Data { .. }), "{error}");
    // The third row is the first of class 2, from 0.
    let message = error.to_string();
    assert!(message.contains("texts.csv, row 3") && message.contains("label 2"), "{message}");
}
