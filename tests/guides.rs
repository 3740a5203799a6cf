//! What the guides promise: each test that docs/keras.md names exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The names of all files below `directory`, and of all functions in its Rust files.
fn names(directory: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            names(&path, found);
            continue;
        }
        let name = path.file_name().unwrap().to_str().unwrap();
        found.insert(name.to_owned());
        found.insert(name.trim_end_matches(".json").to_owned());
        if name.ends_with(".rs") {
            let text = fs::read_to_string(&path).unwrap();
            let functions = text.split("fn ").skip(1).filter_map(|rest| rest.split_once('('));
            found.extend(functions.map(|(function, _)| function.to_owned()));
        }
    }
}

#[test]
fn every_test_that_the_keras_guide_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeSet::new();
    for directory in ["src", "tests"] {
        names(&root.join(directory), &mut found);
    }
    let guide = fs::read_to_string(root.join("docs/keras.md")).unwrap();
    let mut named = 0;
    for line in guide.lines().filter(|line| line.starts_with('|')) {
        let tests = line.trim_end_matches('|').rsplit('|').next().unwrap_or_default();
        for test in tests.split('`').skip(1).step_by(2) {
            // `softmax_*.json` stands for several.
            let (begin, end) = test.split_once('*').unwrap_or((test, ""));
            let end = end.trim_end_matches(".json");
            let exists = match test.contains('*') {
                true => found.iter().any(|name| name.starts_with(begin) && name.ends_with(end)),
                false => found.contains(test) || root.join(test).exists(),
            };
            assert!(exists, "no test {test}: {line}");
            named += 1;
        }
    }
    assert!(named > 50, "{named} names of tests found: the tables have another form");
}
