//! Texts as sparse rows: against scikit-learn, saved and read, and CSV files right and damaged.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use minibatch::data::text::{
    ClassifiedText, SparseRow, TextSelection, TextSettings, TextValues, TextVectorizer, f_value,
};
use minibatch::{Cpu, Error, Loss, Model, Sequential, Sgd, TextProblem};
use serde::Deserialize;
use serde_json::{Value, json};

fn golden<T: for<'de> Deserialize<'de>>(file: &str) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scikit_learn").join(file);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn terms(vectorizer: &TextVectorizer) -> Vec<&str> {
    (0..vectorizer.features()).map(|i| vectorizer.term(i).unwrap()).collect()
}

fn argument(error: &Error) -> (&str, &str) {
    match error {
        Error::Argument { argument, problem } => (argument, problem),
        other => panic!("{other}"),
    }
}

/// Each term is a feature, and its value is how often a text has it.
fn counts() -> TextSettings {
    TextSettings::new().min_df(1).max_features(1 << 24).values(TextValues::Counts)
}

#[derive(Deserialize)]
struct Tokens {
    word: Vec<[u32; 2]>,
    unassigned: Vec<[u32; 2]>,
    cases: Vec<TokenCase>,
}

#[derive(Deserialize)]
struct TokenCase {
    bytes: Vec<u8>,
    lowercase: bool,
    strip_accents: bool,
    ngrams: [usize; 2],
    counts: BTreeMap<String, f32>,
}

#[test]
fn a_character_is_of_a_word_if_it_is_in_python() {
    let Tokens { word, unassigned, .. } = golden("tokens.json");
    let inside = |ranges: &[[u32; 2]], c: char| {
        let next = ranges.partition_point(|[_, last]| *last < u32::from(c));
        ranges.get(next).is_some_and(|[first, _]| *first <= u32::from(c))
    };
    let known: Vec<char> = ('\0'..=char::MAX).filter(|&c| !inside(&unassigned, c)).collect();
    assert!(known.len() > 140_000, "{} characters", known.len());
    // What is of no word parts two letters, and one letter alone is no word.
    let text: String = known.iter().flat_map(|&c| ['a', c, 'a', ' ']).collect();
    let settings = counts().ngrams(1..=1).lowercase(false).strip_accents(false);
    let vectorizer = settings.fit([Ok((text, 0))]).unwrap();
    let mut expected: Vec<String> = known
        .iter()
        .filter(|&&c| inside(&word, c))
        .map(|&c| ['a', c, 'a'].iter().collect())
        .collect();
    expected.sort();
    assert_eq!(terms(&vectorizer), expected);
}

#[test]
fn texts_have_the_terms_that_they_have_in_scikit_learn() {
    let cases = golden::<Tokens>("tokens.json").cases;
    assert!(cases.len() > 200);
    let (mut row, mut with_terms) = (SparseRow::default(), 0);
    for case in cases {
        let shown = String::from_utf8_lossy(&case.bytes).into_owned();
        let settings = counts()
            .ngrams(case.ngrams[0]..=case.ngrams[1])
            .lowercase(case.lowercase)
            .strip_accents(case.strip_accents);
        let vectorizer = match settings.fit([Ok((&case.bytes, 0))]) {
            Ok(vectorizer) => vectorizer,
            Err(error) => {
                assert!(case.counts.is_empty(), "{shown:?}: {error}");
                continue;
            }
        };
        vectorizer.transform(&case.bytes, &mut row);
        let found = row.indices().iter().map(|&i| vectorizer.term(i as usize).unwrap().to_owned());
        let found: BTreeMap<String, f32> = found.zip(row.values().iter().copied()).collect();
        assert_eq!(found, case.counts, "{shown:?}");
        with_terms += 1;
    }
    assert!(with_terms > 200);
}

#[derive(Deserialize)]
struct Corpus {
    texts: Vec<String>,
    classes: Vec<u32>,
    new: Vec<String>,
    f_values_of_counts: Vec<Value>,
    f_values_of_tf_idf: Vec<Value>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    ngrams: [usize; 2],
    min_df: u64,
    max_features: usize,
    values: String,
    selection: String,
    terms: Vec<String>,
    starts: Vec<usize>,
    indices: Vec<u32>,
    data: Vec<f64>,
}

impl Corpus {
    fn texts(&self) -> impl Iterator<Item = minibatch::Result<(&String, u32)>> {
        self.texts.iter().zip(&self.classes).map(|(text, &class)| Ok((text, class)))
    }
}

impl Case {
    fn settings(&self) -> TextSettings {
        let tf_idf = |sublinear_tf, l2_norm| TextValues::TfIdf { sublinear_tf, l2_norm };
        let values = match self.values.as_str() {
            "counts" => TextValues::Counts,
            "binary" => TextValues::Binary,
            "tf_idf" => tf_idf(false, true),
            "tf_idf_sublinear" => tf_idf(true, true),
            "tf_idf_sublinear_unnormed" => tf_idf(true, false),
            other => panic!("{other}"),
        };
        let selection = match self.selection.as_str() {
            "frequency" => TextSelection::Frequency,
            "f_value" => TextSelection::FValue,
            other => panic!("{other}"),
        };
        TextSettings::new()
            .ngrams(self.ngrams[0]..=self.ngrams[1])
            .min_df(self.min_df)
            .max_features(self.max_features)
            .values(values)
            .selection(selection)
    }
}

#[test]
fn rows_are_those_of_scikit_learn() {
    let mut row = SparseRow::default();
    for corpus in golden::<Vec<Corpus>>("vectorizers.json") {
        assert!(corpus.cases.len() > 8);
        for case in &corpus.cases {
            let what = format!("{} {} {}", case.values, case.selection, case.max_features);
            let vectorizer = case.settings().fit(corpus.texts()).unwrap();
            assert_eq!(terms(&vectorizer), case.terms, "{what}");
            assert_eq!(vectorizer.texts(), corpus.texts.len() as u64);
            assert_eq!(vectorizer.classes(), *corpus.classes.iter().max().unwrap() as usize + 1);
            assert_eq!(vectorizer.forgotten(), 0);
            for (number, text) in corpus.texts.iter().chain(&corpus.new).enumerate() {
                vectorizer.transform(text, &mut row);
                let range = case.starts[number]..case.starts[number + 1];
                assert_eq!(row.indices(), &case.indices[range.clone()], "{what}: {text:?}");
                for (&value, &exact) in row.values().iter().zip(&case.data[range]) {
                    // One rounding to f32; what f64 loses before is far below it.
                    let error = (f64::from(value) - exact).abs();
                    assert!(error <= 0.5001 * f64::from(f32::EPSILON) * exact, "{what}: {text:?}");
                }
            }
        }
    }
}

#[test]
fn f_values_are_those_of_scikit_learn() {
    for corpus in golden::<Vec<Corpus>>("vectorizers.json") {
        let vectorizer = counts().min_df(2).fit(corpus.texts()).unwrap();
        let features = vectorizer.features();
        assert_eq!(features, corpus.f_values_of_counts.len());
        let classes = vectorizer.classes();
        let mut sums = vec![vec![0.0; classes]; features];
        let (mut squares, mut samples) = (vec![0.0; features], vec![0; classes]);
        let mut row = SparseRow::default();
        for text in corpus.texts() {
            let (text, class) = text.unwrap();
            samples[class as usize] += 1;
            vectorizer.transform(text, &mut row);
            for (&feature, &value) in row.indices().iter().zip(row.values()) {
                let (feature, value) = (feature as usize, f64::from(value));
                sums[feature][class as usize] += value;
                squares[feature] += value * value;
            }
        }
        let (mut nan, mut infinite) = (0, 0);
        for feature in 0..features {
            let found = f_value(&sums[feature], &samples, squares[feature]);
            // A class without samples changes nothing.
            let with_empty = [&[0.0], sums[feature].as_slice(), &[0.0]].concat();
            let samples = [&[0], samples.as_slice(), &[0]].concat();
            let again = f_value(&with_empty, &samples, squares[feature]);
            assert_eq!(found.to_bits(), again.to_bits());
            match &corpus.f_values_of_counts[feature] {
                Value::Null => {
                    assert!(found.is_nan());
                    nan += 1;
                }
                Value::String(_) => {
                    assert_eq!(found, f64::INFINITY);
                    infinite += 1;
                }
                // The same bits: terms that tie there tie here.
                value => assert_eq!(Some(found), value.as_f64()),
            }
            // Weighed by idf, a feature has the F-value of its count.
            if let Some(of_tf_idf) =
                corpus.f_values_of_tf_idf[feature].as_f64().filter(|f| *f < 1e4)
            {
                assert!((found - of_tf_idf).abs() <= 1e-9 * of_tf_idf, "{found} {of_tf_idf}");
            }
        }
        assert!(nan > 0 && infinite > 0, "{nan} NaN, {infinite} infinite");
    }
}

/// `words` different words of class `class`, beginning with number `first`.
fn words(first: usize, words: usize) -> String {
    (first..first + words).map(|number| format!("word{number:06} ")).collect()
}

#[test]
fn a_row_has_no_more_values_than_it_may_and_keeps_the_largest() {
    let texts = || [Ok((words(0, 100), 0)), Ok((words(50, 150), 1)), Ok((words(0, 3), 1))];
    let settings = || counts().ngrams(1..=1);
    assert_eq!(settings().fit(texts()).unwrap().row_values(), 150);
    // Terms 0, 1, 2 and 50..100 are in two texts.
    assert_eq!(settings().min_df(2).fit(texts()).unwrap().row_values(), 64);
    let few = settings().row_values(3).fit(texts()).unwrap();
    assert_eq!(few.row_values(), 3);
    let mut row = SparseRow::default();
    let repeated = words(7, 10) + &words(12, 1) + &words(10, 1);
    few.transform(&repeated, &mut row);
    assert_eq!((row.indices(), row.values()), ([7, 10, 12].as_slice(), [1.0, 2.0, 2.0].as_slice()));
    few.transform("nothing known", &mut row);
    assert_eq!((row.indices(), row.values()), ([].as_slice(), [].as_slice()));
}

#[test]
fn memory_is_bounded_and_what_is_lost_is_told() {
    // 40 texts of 1,000 words that never come again, and two that are in every text of their class.
    let text = |number: usize| {
        let class = number as u32 % 2;
        let told = ["even often", "odd often"][number % 2];
        Ok((format!("{told} {}", words(1000 * number, 1000)), class))
    };
    let settings = TextSettings::new().ngrams(1..=1).values(TextValues::Counts);
    let all = settings.clone().fit((0..40).map(text)).unwrap();
    assert_eq!((terms(&all), all.forgotten()), (vec!["even", "odd", "often"], 0));
    // 1 MiB holds less than 10,000 terms.
    let some = settings.memory(1 << 20).fit((0..40).map(text)).unwrap();
    assert_eq!(terms(&some), ["even", "odd", "often"]);
    // Each time it was full, words were forgotten that were in one text.
    assert!((3..40).contains(&some.forgotten()), "{}", some.forgotten());
    let texts = |vectorizer: &TextVectorizer| -> Value {
        let saved: Value = serde_json::from_str(&vectorizer.to_json().unwrap()).unwrap();
        saved["features"].clone()
    };
    // Those that stay are counted exactly all the time.
    assert_eq!(texts(&some), json!([["even", 20], ["odd", 20], ["often", 40]]));
    assert_eq!(texts(&some), texts(&all));
}

#[test]
fn settings_and_texts_that_cannot_be_are_refused() {
    type Change = fn(TextSettings) -> TextSettings;
    let changes: [(&str, Change); 9] = [
        ("ngrams", |it| it.ngrams(0..=1)),
        #[allow(clippy::reversed_empty_ranges, reason = "this is what must be refused")]
        ("ngrams", |it| it.ngrams(2..=1)),
        ("ngrams", |it| it.ngrams(1..=17)),
        ("min_df", |it| it.min_df(0)),
        ("max_features", |it| it.max_features(0)),
        ("max_features", |it| it.max_features((1 << 24) + 1)),
        ("memory", |it| it.memory((1 << 20) - 1)),
        ("row_values", |it| it.row_values(0)),
        ("texts", |it| it.min_df(3)),
    ];
    let texts = || ["one two", "two one"].map(|text| Ok((text, 0)));
    TextSettings::new().fit(texts()).unwrap();
    for (name, change) in changes {
        let error = change(TextSettings::new()).fit(texts()).unwrap_err();
        assert_eq!(argument(&error).0, name, "{error}");
    }

    let none: [minibatch::Result<(&str, u32)>; 0] = [];
    let error = TextSettings::new().fit(none).unwrap_err();
    assert!(argument(&error).1.contains("are none"), "{error}");
    // All of one class: no F-value, but frequencies.
    let error = TextSettings::new().max_features(1).fit(texts()).unwrap_err();
    assert!(argument(&error).1.contains("one class"), "{error}");
    let by_frequency = TextSettings::new().max_features(1).selection(TextSelection::Frequency);
    assert_eq!(terms(&by_frequency.fit(texts()).unwrap()), ["one"]);
    let error = TextSettings::new().fit([Ok(("one", 1 << 16))]).unwrap_err();
    assert!(argument(&error).1.contains("65536"), "{error}");
    // The caller's own error comes back.
    let own = Error::Busy { slots: 7 };
    let error = TextSettings::new().fit([Ok(("one", 0)), Err(own)]).unwrap_err();
    assert!(matches!(error, Error::Busy { slots: 7 }), "{error}");
}

fn vectorizer() -> TextVectorizer {
    let texts = ["one two three", "two one", "four \"\\ \u{e9}t\u{e9} two"];
    TextSettings::new().min_df(1).fit(texts.map(|text| Ok((text, 2)))).unwrap()
}

#[test]
fn what_is_read_is_what_was_written() {
    let mut made = vec![vectorizer(), counts().row_values(9).fit([Ok(("one two", 0))]).unwrap()];
    for corpus in golden::<Vec<Corpus>>("vectorizers.json") {
        made.extend(corpus.cases.iter().map(|case| case.settings().fit(corpus.texts()).unwrap()));
    }
    let [mut row, mut of_read] = [SparseRow::default(), SparseRow::default()];
    for made in made {
        let json = made.to_json().unwrap();
        let read = TextVectorizer::from_json(&json).unwrap();
        assert_eq!(read, made);
        assert_eq!(read.to_json().unwrap(), json);
        for text in ["one two", "only match oil \u{c9}lan Caf\u{e9} caf\u{e9}"] {
            made.transform(text, &mut row);
            read.transform(text, &mut of_read);
            let bits =
                |row: &SparseRow| row.values().iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            assert_eq!((row.indices(), bits(&row)), (of_read.indices(), bits(&of_read)));
        }
    }
}

#[test]
fn what_was_changed_by_hand_is_refused() {
    let json = vectorizer().to_json().unwrap();
    let good: Value = serde_json::from_str(&json).unwrap();
    for cut in 0..json.len() {
        assert!(json.get(..cut).is_none_or(|cut| TextVectorizer::from_json(cut).is_err()));
    }
    let changes = [
        ("/text_vectorizer", json!(2), "version 2"),
        ("/text_vectorizer", json!("1"), "invalid type"),
        ("/settings/ngrams", json!([0, 1]), "ngrams"),
        ("/settings/ngrams", json!([1]), "length"),
        ("/settings/min_df", json!(0), "min_df"),
        ("/settings/max_features", json!(2), "max_features"),
        ("/settings/values", json!("tfidf"), "tfidf"),
        ("/settings/selection", json!("chi2"), "chi2"),
        ("/settings/memory", json!(0), "memory"),
        ("/settings/row_values", json!(5), "row_values"),
        ("/row_values", json!(0), "row_values"),
        ("/row_values", json!(-1), "invalid value"),
        ("/texts", json!(2), "\"two\""),
        ("/classes", json!(0), "classes"),
        ("/features", json!([]), "0 features"),
        ("/features/0/0", json!(""), "\"\""),
        ("/features/1/0", json!("zz"), "\"zz\""),
        ("/features/1/0", good["features"][0][0].clone(), "each once"),
        ("/features/0/1", json!(0), "is in 0 texts"),
        ("/features/0/1", json!(4), "is in 4 texts"),
    ];
    for (place, value, expected) in changes {
        let mut changed = good.clone();
        *changed.pointer_mut(place).unwrap() = value;
        let error = TextVectorizer::from_json(&changed.to_string()).unwrap_err();
        let (name, problem) = argument(&error);
        assert_eq!(name, "json");
        assert!(problem.contains(expected), "{place}: {problem}");
    }
    let mut more = good.clone();
    more["settings"]["stop_words"] = json!([]);
    let error = TextVectorizer::from_json(&more.to_string()).unwrap_err();
    assert!(argument(&error).1.contains("stop_words"), "{error}");
    for missing in good.as_object().unwrap().keys() {
        let mut less = good.clone();
        less.as_object_mut().unwrap().remove(missing);
        let error = TextVectorizer::from_json(&less.to_string()).unwrap_err();
        assert!(argument(&error).1.contains(missing.as_str()), "{error}");
    }
}

#[test]
fn it_goes_into_the_models_file_and_comes_out_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.safetensors");
    let vectorizer = vectorizer();
    let mut model = Sequential::new(vectorizer.features())
        .dense(2, minibatch::Activation::Softmax)
        .compile(Sgd::default(), Loss::SparseCategoricalCrossentropy, [])
        .build(&Cpu::new())
        .unwrap();
    model.set_metadata("text_vectorizer", vectorizer.to_json().unwrap()).unwrap();
    model.save(&path).unwrap();
    let model = Model::load(&path, &Cpu::new()).unwrap();
    let read = TextVectorizer::from_json(model.metadata("text_vectorizer").unwrap()).unwrap();
    assert_eq!(read, vectorizer);
}

/// A file of these bytes, and the directory that it is deleted with.
fn file(content: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("texts.csv");
    std::fs::write(&path, content).unwrap();
    (directory, path)
}

fn read(content: &[u8]) -> minibatch::Result<Vec<(String, u32)>> {
    let (_directory, path) = file(content);
    let mut rows = ClassifiedText::open(&path).unwrap();
    let read = rows.by_ref().collect::<minibatch::Result<Vec<_>>>();
    assert!(rows.next().is_none(), "it goes on after its end");
    if let Ok(read) = &read {
        assert_eq!(rows.rows(), read.len() as u64);
        let classes = read.iter().map(|(_, class)| *class as usize + 1).max();
        assert_eq!(Some(rows.classes()), classes);
    }
    read
}

#[test]
fn rows_of_all_forms_are_read() {
    let rows = |rows: &[(&str, u32)]| -> Vec<(String, u32)> {
        rows.iter().map(|&(text, class)| (text.to_owned(), class)).collect()
    };
    let two = rows(&[("one text", 2), ("two, \"quoted\"", 0)]);
    assert_eq!(read(b"3,one text\n1,\"two, \"\"quoted\"\"\"\n").unwrap(), two);
    assert_eq!(read(b"\"3\",\"one text\"\r\n\r\n\"1\",\"two, \"\"quoted\"\"\"").unwrap(), two);
    assert_eq!(read(b"\xef\xbb\xbf3,one,text\n 1 ,\"two, \"\"quoted\"\"\"\n\n\n").unwrap(), two);
    assert_eq!(read(b"1,\n2,,b,\n").unwrap(), rows(&[("", 0), (" b ", 1)]));
    assert_eq!(read(b"65536,\"a\nb\"\n").unwrap(), rows(&[("a\nb", 65535)]));
    assert_eq!(read(b"1,caf\xe9 \xff\n").unwrap(), rows(&[("caf\u{fffd} \u{fffd}", 0)]));
    // A quotation mark inside of a column opens nothing, and the last column may end with a line.
    assert_eq!(read(b"1,5\" disk\n2,\"a\n\"").unwrap(), rows(&[("5\" disk", 0), ("a\n", 1)]));
}

#[test]
fn damaged_files_are_refused_by_row_and_line() {
    let class = |found: &str| TextProblem::Class { found: found.to_owned(), most: 1 << 16 };
    let cases: [(&[u8], u64, Option<u64>, TextProblem); 17] = [
        (b"", 1, None, TextProblem::Empty),
        (b"\n\r\n", 1, None, TextProblem::Empty),
        (b"0,text\n", 1, Some(1), class("0")),
        (b"1,\"two\nlines\"\n1.0,text\n", 2, Some(3), class("1.0")),
        (b"1,text\n-1,text\n", 2, Some(2), class("-1")),
        (b"1,text\n+1,text\n", 2, Some(2), class("+1")),
        (b"Class,Title\n1,text\n", 1, Some(1), class("Class")),
        (b",text\n", 1, Some(1), class("")),
        (b"65537,text\n", 1, Some(1), class("65537")),
        (b"99999999999999999999,text\n", 1, Some(1), class("99999999999999999999")),
        (b"\xff,text\n", 1, Some(1), class("\u{fffd}")),
        (b"1,text\n2\n", 2, Some(2), TextProblem::NoText),
        (b"1,text\n\"2\"", 2, Some(2), TextProblem::NoText),
        (b"1,text\n2,\"cut o", 2, Some(2), TextProblem::OpenQuote),
        (b"1,text\n\"2", 2, Some(2), TextProblem::OpenQuote),
        (b"1,text\n\"2\",\"", 2, Some(2), TextProblem::OpenQuote),
        (b"1,\"text\n2,text\n3,text\n", 1, Some(1), TextProblem::OpenQuote),
    ];
    for (content, row, line, problem) in cases {
        let shown = String::from_utf8_lossy(content);
        match read(content) {
            Err(Error::Text { path, row: r, line: l, problem: p }) => {
                assert!(path.ends_with("texts.csv"));
                assert_eq!((r, l, p), (row, line, problem), "{shown:?}");
            }
            Err(other) => panic!("{shown:?}: {other}"),
            Ok(rows) => panic!("{shown:?}: {rows:?}"),
        }
    }
    let error = read(b"1,a\n2\n").unwrap_err().to_string();
    assert!(error.contains("texts.csv, row 2 (line 2): has a class and no text"), "{error}");
}

#[test]
fn a_quoted_file_that_is_cut_off_anywhere_is_no_other_file() {
    let whole = b"\"3\",\"one \"\"text\"\"\"\n\"1\",\"two\nlines\",\"more\"\n";
    let rows = read(whole).unwrap();
    let mut refused = 0;
    for cut in 1..whole.len() {
        match read(&whole[..cut]) {
            // Where a column ends, the ones before it are whole.
            Ok(read) => {
                for ((read, class), (text, whole_class)) in read.iter().zip(&rows) {
                    assert!(class == whole_class && text.starts_with(read.as_str()), "{cut}");
                }
            }
            Err(Error::Text { .. }) => refused += 1,
            Err(other) => panic!("{cut}: {other}"),
        }
    }
    assert!(refused > 20, "{refused}");
}

#[test]
fn a_row_without_end_is_refused_before_it_is_read() {
    let mut content = b"1,text\n2,\"".to_vec();
    content.resize((16 << 20) + (1 << 20), b'x');
    match read(&content) {
        Err(Error::Text { row: 2, line: Some(2), problem, .. }) => {
            assert_eq!(problem, TextProblem::Long { limit: 16 << 20 });
        }
        other => panic!("{other:?}"),
    }
    // One that is nearly as long is read.
    content.truncate((16 << 20) - 100);
    content.extend(b"\"\n3,text\n");
    assert_eq!(read(&content).unwrap().len(), 3);
}

#[test]
fn a_file_that_cannot_be_read_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing.csv");
    match ClassifiedText::open(&missing) {
        Err(Error::Io { path, .. }) => assert_eq!(path, missing),
        other => panic!("{other:?}"),
    }
    #[cfg(unix)]
    {
        let error = ClassifiedText::open(directory.path()).unwrap().next().unwrap().unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{error}");
    }
    // A class that fit meets in a file is the file's error.
    let (_directory, path) = file(b"1,a text\nx,a text\n");
    let error = TextSettings::new().fit(ClassifiedText::open(&path).unwrap()).unwrap_err();
    assert!(matches!(error, Error::Text { row: 2, .. }), "{error}");
}
