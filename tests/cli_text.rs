//! `mnist-gpu predict --text`, run as a user runs it.
#![cfg(feature = "cli")]

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use approx::assert_abs_diff_eq;
use minibatch::data::text::{
    CLASS_NAMES_KEY, SparseRow, TextSettings, TextValues, TextVectorizer, VECTORIZER_KEY,
};
use minibatch::data::{Dataset, Features, SparseMatrix, SparseRows};
use minibatch::model::Input;
use minibatch::{Activation, Adam, Cpu, Fit, Loss, Sequential};
use serde_json::{Value, json};
use tempfile::TempDir;

const TEXTS: [(&str, u32); 6] = [
    ("The match was won by the home team", 0),
    ("Oil prices and shares fell", 1),
    ("A team lost its last match", 0),
    ("The bank raised its prices", 1),
    ("Goal in the last minute of the match", 0),
    ("Shares of the bank rose", 1),
];

/// Counts of words, of one word each.
fn vectorizer() -> TextVectorizer {
    let settings = TextSettings::new().ngrams(1..=1).min_df(1).values(TextValues::Counts);
    settings.fit(TEXTS.map(Ok)).unwrap()
}

/// A model of six texts, saved in a directory of its own with what is kept with it.
struct Place {
    directory: TempDir,
    /// Name, shape and values of each tensor.
    weights: Vec<(String, Vec<usize>, Vec<f32>)>,
    vectorizer: TextVectorizer,
}

impl Place {
    fn new(metadata: &[(&str, String)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let vectorizer = vectorizer();
        let (mut rows, mut row) = (SparseRows::default(), SparseRow::default());
        for (text, _) in TEXTS {
            vectorizer.transform(text, &mut row);
            rows.push(row.indices(), row.values()).unwrap();
        }
        let features = vectorizer.features();
        let rows = Features::Sparse(SparseMatrix::new(features, rows).unwrap());
        let labels = TEXTS.map(|(_, class)| class).to_vec();
        let data = Dataset::new(rows, &[features], labels).unwrap();
        let mut model = Sequential::new(Input::sparse(features, vectorizer.row_values()))
            .dense(2, Activation::Softmax)
            .compile(Adam::new(0.1), Loss::SparseCategoricalCrossentropy, [])
            .build(&Cpu::new())
            .unwrap();
        model.fit(&data, Fit::new().epochs(30)).unwrap();
        for (key, text) in metadata {
            model.set_metadata(*key, text.clone()).unwrap();
        }
        model.save(&directory.path().join("m.safetensors")).unwrap();
        let weights = model.weights().unwrap();
        Place { directory, weights, vectorizer }
    }

    /// The probabilities of a text by the weights that were learned, in f64.
    fn probabilities(&self, text: &str) -> [f64; 2] {
        let of = |name: &str| self.weights.iter().find(|(other, ..)| other.contains(name)).unwrap();
        let (kernel, bias) = (&of("weight").2, &of("bias").2);
        let mut row = SparseRow::default();
        self.vectorizer.transform(text, &mut row);
        let logit = |class: usize| {
            let terms = row.indices().iter().zip(row.values());
            let terms = terms.map(|(&term, &value)| {
                f64::from(value) * f64::from(kernel[term as usize * 2 + class])
            });
            terms.sum::<f64>() + f64::from(bias[class])
        };
        let first = 1.0 / (1.0 + (logit(1) - logit(0)).exp());
        [first, 1.0 - first]
    }

    /// Exit status, standard output and standard error.
    fn run(&self, arguments: &[&str], input: &[u8]) -> (Option<i32>, String, String) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_mnist-gpu"))
            .args(["predict", "--model", "m.safetensors"])
            .args(arguments)
            .current_dir(self.directory.path())
            .env_remove("XDG_RUNTIME_DIR")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Where the program ends before it has read, nobody reads this.
        let _ = child.stdin.take().unwrap().write_all(input);
        let output = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    fn succeed(&self, arguments: &[&str], input: &[u8]) -> String {
        let (code, out, err) = self.run(arguments, input);
        assert_eq!(code, Some(0), "{arguments:?}: {err}");
        out
    }

    /// The one line of its error.
    fn fail(&self, arguments: &[&str]) -> String {
        let (code, out, err) = self.run(arguments, b"");
        assert_eq!((code, out.as_str()), (Some(2), ""), "{arguments:?}: {err}");
        assert!(err.starts_with("error: ") && err.lines().count() == 1, "{err}");
        err
    }
}

fn named() -> Vec<(&'static str, String)> {
    let names = json!(["Sports", "Business"]).to_string();
    vec![(VECTORIZER_KEY, vectorizer().to_json().unwrap()), (CLASS_NAMES_KEY, names)]
}

#[test]
fn plain_text_gets_a_class_by_its_name() {
    let place = Place::new(&named());
    let texts = ["the team of the MATCH", "oil, shares & prices!", "nothing known at all"];
    for backend in ["cpu", "gpu"] {
        let mut arguments = vec!["--backend", backend];
        texts.iter().for_each(|text| arguments.extend(["--text", text]));
        let out = place.succeed(&arguments, b"");
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(lines.len(), 3, "{out}");
        assert!(lines[0].starts_with("the team of the MATCH: Sports ("), "{out}");
        assert!(lines[0].contains("%), then Business ("), "{out}");
        assert!(lines[1].starts_with("oil, shares & prices!: Business ("), "{out}");
        assert!(lines[2].ends_with("the model knows none of its words"), "{out}");

        arguments.push("--json");
        let told: Value = serde_json::from_str(&place.succeed(&arguments, b"")).unwrap();
        let told = told.as_array().unwrap();
        assert_eq!(told.len(), 3);
        for ((prediction, text), (class, name, known)) in
            told.iter().zip(texts).zip([(0, "Sports", 4), (1, "Business", 3), (0, "", 0)])
        {
            let mut keys: Vec<&str> =
                prediction.as_object().unwrap().keys().map(String::as_str).collect();
            keys.sort_unstable();
            let expected = ["class", "known_terms", "name", "probabilities", "probability", "text"];
            assert_eq!(keys, expected);
            assert_eq!(
                (&prediction["text"], &prediction["known_terms"]),
                (&json!(text), &json!(known))
            );
            let expected = place.probabilities(text);
            let probabilities = prediction["probabilities"].as_array().unwrap();
            assert_eq!(probabilities.len(), 2);
            for (found, expected) in probabilities.iter().zip(expected) {
                assert_abs_diff_eq!(found.as_f64().unwrap(), expected, epsilon = 1e-5);
            }
            if known > 0 {
                assert_eq!(
                    (&prediction["class"], &prediction["name"]),
                    (&json!(class), &json!(name))
                );
                assert_eq!(prediction["probability"], probabilities[class]);
            }
        }
    }
}

#[test]
fn lines_of_standard_input_are_texts() {
    let place = Place::new(&named());
    let cpu = ["--backend", "cpu", "--text", "-"];
    // Bytes that are no UTF-8, an empty line, and a last line that does not end.
    let input = b"a caf\xe9 near the match\r\n\nshares of oil";
    let out = place.succeed(&cpu, input);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 3, "{out}");
    assert!(lines[0].starts_with("a caf\u{fffd} near the match: Sports ("), "{out}");
    assert!(lines[1].starts_with(": ") && lines[1].contains("none of its words"), "{out}");
    assert!(lines[2].starts_with("shares of oil: Business ("), "{out}");
    // Between other texts, in their order.
    let mixed = ["--backend", "cpu", "--text", "match", "--text", "-", "--text", "oil"];
    let out = place.succeed(&mixed, b"bank\n");
    let first: Vec<&str> = out.lines().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(first, ["match", "bank", "oil"]);
    // More than are predicted at once.
    let many: String = (0..2500).map(|i| ["goal\n", "bank\n"][usize::from(i % 3 == 0)]).collect();
    let out = place.succeed(&cpu, many.as_bytes());
    assert_eq!(out.lines().count(), 2500);
    for (i, line) in out.lines().enumerate() {
        let expected = if i % 3 == 0 { "bank: Business" } else { "goal: Sports" };
        assert!(line.starts_with(expected), "{i}: {line}");
    }
    let error = place.fail(&cpu);
    assert!(error.contains("no line on standard input"), "{error}");
}

#[test]
fn without_names_classes_are_numbers() {
    let place = Place::new(&named()[..1]);
    let out = place.succeed(&["--backend", "cpu", "--text", "oil shares"], b"");
    assert!(out.starts_with("oil shares: class 1 ("), "{out}");
    let json = place.succeed(&["--backend", "cpu", "--json", "--text", "oil shares"], b"");
    let told: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&told[0]["class"], told[0].get("name")), (&json!(1), None));
}

#[test]
fn what_does_not_fit_is_refused() {
    let text = ["--backend", "cpu", "--text", "oil"];
    let without = Place::new(&[]);
    let error = without.fail(&text);
    assert!(error.contains("m.safetensors: has no text vectorizer"), "{error}");

    let place = Place::new(&named());
    let error = place.fail(&["--backend", "cpu", "--text", "oil", "seven.png"]);
    assert!(error.contains("cannot be used with"), "{error}");
    let error = place.fail(&["--backend", "cpu"]);
    assert!(error.contains("required"), "{error}");
    // A model of texts takes no image.
    std::fs::copy(data("seven.png"), place.directory.path().join("seven.png")).unwrap();
    let error = place.fail(&["--backend", "cpu", "seven.png"]);
    assert!(error.contains("--text"), "{error}");

    let other = TextSettings::new().min_df(1).fit(TEXTS.map(Ok)).unwrap().to_json().unwrap();
    let longer = vectorizer().settings().clone().row_values(65).fit(TEXTS.map(Ok)).unwrap();
    let names = json!(["Sports", "Business", "World"]).to_string();
    let damaged = vectorizer().to_json().unwrap().replace("tex", "xet");
    let cases = [
        (vec![(VECTORIZER_KEY, other)], "the model takes others"),
        (vec![(VECTORIZER_KEY, longer.to_json().unwrap())], "up to 65 in a text"),
        (vec![(VECTORIZER_KEY, damaged)], "no text vectorizer"),
        (vec![named()[0].clone(), (CLASS_NAMES_KEY, names)], "names for 3"),
        (vec![named()[0].clone(), (CLASS_NAMES_KEY, "Sports".into())], "names of its classes"),
    ];
    for (metadata, expected) in cases {
        let error = Place::new(&metadata).fail(&text);
        assert!(error.contains("m.safetensors") && error.contains(expected), "{error}");
    }
}

fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data").join(name)
}
