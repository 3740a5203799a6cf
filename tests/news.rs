//! The example `news`, on texts whose classes are told by their words.

#[allow(dead_code, reason = "an example has a main of its own")]
#[path = "../examples/news.rs"]
mod news;

use std::fs;
use std::path::Path;

use minibatch::data::text::{CLASS_NAMES_KEY, TextVectorizer, VECTORIZER_KEY};
use minibatch::{Cpu, Model};
use news::{Arguments, run};

/// Texts of two classes. Each has some of the eight words of its class and some that are of both; the
/// rows are sorted by class, and hold bytes that are no UTF-8.
fn texts(rows: usize, seed: usize, columns: usize) -> Vec<u8> {
    let mut content = Vec::new();
    for row in 0..rows {
        let class = usize::from(row >= rows / 2);
        let number = |i: usize| (row * 7 + i * 5 + seed) * 2_654_435_761 / 1024;
        content.extend(format!("\"{}\"", class + 1).bytes());
        for column in 0..columns {
            content.extend(b",\"both\xff ");
            for i in 0..3 {
                let own = ["sport", "money"][class];
                let [a, b] = [number(2 * i + column) % 8, number(2 * i + 1) % 20];
                content.extend(format!("{own}{a} common{b} ").bytes());
            }
            content.extend(b"\"");
        }
        content.push(b'\n');
    }
    content
}

fn arguments(directory: &Path) -> Arguments {
    Arguments { directory: directory.into(), backend: Some("cpu".into()), ..Arguments::default() }
}

#[test]
fn classes_that_words_tell_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    // As in AG News' subset: one column of text for training, two for the test.
    fs::write(path("train_subset.csv"), texts(1200, 0, 1)).unwrap();
    fs::write(path("test.csv"), texts(100, 9, 2)).unwrap();
    let accuracy = run(&arguments(directory.path())).unwrap();
    assert!(accuracy > 0.999, "{accuracy}");

    // A `train.csv` is preferred, names are read, and the model is saved with what it needs.
    fs::write(path("train.csv"), texts(1000, 5, 2)).unwrap();
    fs::write(path("classes.txt"), "Sport\r\nMoney\n\n").unwrap();
    let save = Arguments { save: Some(path("m.safetensors")), ..arguments(directory.path()) };
    let accuracy = run(&save).unwrap();
    assert!(accuracy > 0.999, "{accuracy}");
    let model = Model::load(&path("m.safetensors"), &Cpu::new()).unwrap();
    let vectorizer = TextVectorizer::from_json(model.metadata(VECTORIZER_KEY).unwrap()).unwrap();
    // Of every ten texts, one is held out.
    assert_eq!((vectorizer.texts(), vectorizer.classes()), (900, 2));
    assert_eq!(model.metadata(CLASS_NAMES_KEY), Some(r#"["Sport","Money"]"#));
}

#[test]
fn what_cannot_be_trained_on_is_told_in_one_line() {
    let good = || texts(40, 0, 1);
    let with = |row: &str| [good(), row.as_bytes().to_vec()].concat();
    let cases: [(&str, Vec<u8>, &[&str]); 11] = [
        ("train.csv", with("0,text\n"), &["train.csv, row 41", "\"0\""]),
        ("train.csv", with("first,text\n"), &["train.csv, row 41", "\"first\""]),
        ("train.csv", with("1\n"), &["train.csv, row 41", "no text"]),
        ("train.csv", with("1,\"text\n"), &["train.csv, row 41", "cut off"]),
        ("train.csv", Vec::new(), &["train.csv, row 1", "no rows"]),
        ("train.csv", b"1,a b\n1,a b\n".to_vec(), &["train.csv", "nothing to tell"]),
        ("train.csv", b"1,a b\n2,a b\n".to_vec(), &["train.csv", "2 rows"]),
        ("test.csv", with("3,text\n"), &["test.csv", "class 3", "has 2"]),
        ("test.csv", Vec::new(), &["test.csv, row 1", "no rows"]),
        ("test.csv", with("2\n"), &["test.csv, row 41", "no text"]),
        ("classes.txt", b"Sport\n".to_vec(), &["classes.txt", "1 names for 2 classes"]),
    ];
    for (name, content, expected) in cases {
        let directory = tempfile::tempdir().unwrap();
        for name in ["train.csv", "test.csv"] {
            fs::write(directory.path().join(name), good()).unwrap();
        }
        fs::write(directory.path().join(name), content).unwrap();
        let error = run(&arguments(directory.path())).unwrap_err().to_string();
        for expected in expected {
            assert!(error.contains(expected), "{error:?} does not say {expected:?}");
        }
        assert!(!error.contains('\n'), "{error:?}");
    }
    let directory = tempfile::tempdir().unwrap();
    let error = run(&arguments(directory.path())).unwrap_err().to_string();
    assert!(error.contains("train.csv or train_subset.csv"), "{error}");
    fs::write(directory.path().join("train.csv"), good()).unwrap();
    let error = run(&arguments(directory.path())).unwrap_err().to_string();
    assert!(error.contains("no test.csv"), "{error}");
}

/// `AG_NEWS_DIR` names the directory with the 13,430 training texts and the 7,600 test texts.
#[test]
fn ag_news_is_told_to_88_percent() {
    let Some(directory) = std::env::var_os("AG_NEWS_DIR") else {
        println!("AG_NEWS_DIR is not set: the run on real texts is left out");
        return;
    };
    let accuracy = run(&arguments(Path::new(&directory))).unwrap();
    assert!(accuracy >= 0.88, "{accuracy}");
}

/// The largest anonymous memory in KiB of a process that runs the example, seen every few
/// milliseconds.
#[cfg(target_os = "linux")]
fn peak(directory: &Path) -> u64 {
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "memory_does_not_grow_with_the_file"])
        .env("NEWS_OF_THE_CHILD", directory)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    let ended = loop {
        if let Some(ended) = child.try_wait().unwrap() {
            break ended;
        }
        let text = fs::read_to_string(&status).unwrap_or_default();
        let anonymous = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kib = anonymous.and_then(|text| text.trim().strip_suffix(" kB")?.parse().ok());
        peak = peak.max(kib.unwrap_or(0));
        std::thread::sleep(std::time::Duration::from_millis(2));
    };
    assert!(ended.success());
    peak
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "takes half a minute; .ci/long runs it"]
fn memory_does_not_grow_with_the_file() {
    if let Some(directory) = std::env::var_os("NEWS_OF_THE_CHILD") {
        run(&arguments(Path::new(&directory))).unwrap();
        return;
    }
    // Ten times the same texts: the same terms, in more texts.
    let once = texts(20_000, 0, 3);
    let peaks = [1, 10].map(|times| {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("train.csv"), once.repeat(times)).unwrap();
        fs::write(directory.path().join("test.csv"), texts(1000, 9, 3)).unwrap();
        peak(directory.path())
    });
    println!("{peaks:?} KiB");
    let [small, large] = peaks;
    let most = (small + small / 20).max(small + (8 << 10));
    assert!(large <= most, "{large} KiB, and {small} KiB on a tenth of the texts");
}
