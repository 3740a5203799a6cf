//! A model's file with anything at all in its metadata, and how files are written.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use minibatch::data::{Dataset, Features, SparseMatrix, SparseRows, Targets};
use minibatch::model::{
    BatchNormalization, Compiled, Dense, Dropout, Flatten, GaussianNoise, Initializer, Input,
    InputType, Layer, LayerNormalization, Normalization, Objective, Regularizer, Rescaling,
};
use minibatch::program::{Element, Role};
use minibatch::schedule::CosineDecay;
use minibatch::{
    Activation, Adam, Clip, Cpu, Error, Evaluate, Fit, Functional, Loss, Metric, Model, Predict,
    Sequential, Sgd, atomic_write,
};
use serde_json::{Value, json};

/// A graph with something of everything, and one that has no tensor to be checked against.
fn models() -> [Compiled; 2] {
    let mut model = Functional::new();
    let picture = model.input("picture", Input::pixels(&[2, 3]));
    let place = model.input("place", 4);
    let dense = Dense::new(4, Activation::LeakyRelu { negative_slope: 0.1 })
        .weight_regularizer(Regularizer::l1_l2(0.1, 0.1))
        .activity_regularizer(Regularizer::l2(0.1))
        .weight_initializer(Initializer::RandomNormal { mean: 0.0, deviation: 0.1 });
    let seen = model.layer(picture, dense);
    let normal = Normalization { mean: vec![0.1; 4], variance: vec![0.5; 4] };
    let known = model.layer(place, normal);
    let sum = model.add([seen, known, seen]);
    let sum = model.layer(sum, BatchNormalization::new());
    let sum = model.layer(sum, Layer::Dropout(Dropout { rate: 0.5 }));
    let joined = model.concatenate([sum, place]);
    let joined = model.layer(joined, LayerNormalization::new());
    let joined =
        model.layer(joined, Layer::GaussianNoise(GaussianNoise { standard_deviation: 0.1 }));
    let joined = model.layer(joined, Layer::Flatten(Flatten {}));
    let kind = model.dense(joined, 3, Activation::Softmax);
    let good = model.dense(joined, 1, Activation::Sigmoid);
    model.output("kind", kind);
    model.output("good", good);
    model.output("joined", joined);
    let kind = Objective::new(Loss::SparseCategoricalCrossentropy)
        .metrics([Metric::Accuracy, Metric::ConfusionMatrix])
        .weighted_metrics([Metric::TopKCategoricalAccuracy { k: 2 }]);
    let good = Objective::new(Loss::BinaryCrossentropy { label_smoothing: 0.1 }).metrics([
        Metric::Auc { thresholds: 20 },
        Metric::PRECISION,
        Metric::ConfusionMatrix,
    ]);
    let clip = Clip::GlobalNorm(1.0);
    let everything = model
        .compile(Adam { clip, amsgrad: true, ..Adam::default() }, [("kind", kind), ("good", good)])
        .schedule(CosineDecay::new(0.1, 10))
        .gradient_accumulation_steps(2);

    let mut model = Functional::new();
    let input = model.input("input", 3);
    let scaled = model.layer(input, Layer::Rescaling(Rescaling { scale: 2.0, offset: 0.0 }));
    let elu = Activation::Elu { alpha: 1.0 };
    let active = model.layer(scaled, Layer::Activation(elu.into()));
    let joined = model.concatenate([active, scaled]);
    model.output("output", joined);
    let classes = Objective::new(Loss::SparseCategoricalCrossentropy);
    let classes = classes.metrics([Metric::ConfusionMatrix]);
    [everything, model.compile(Sgd::default(), [("output", classes)])]
}

/// A file's header, and the bytes after it.
fn parts(file: &[u8]) -> (Value, &[u8]) {
    let length = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    (serde_json::from_slice(&file[8..8 + length]).unwrap(), &file[8 + length..])
}

/// The JSON pointers to `value` and to all in it.
fn places(value: &Value, at: &str) -> Vec<String> {
    let inside: Vec<String> = match value {
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items.flat_map(|(i, item)| places(item, &format!("{at}/{i}"))).collect()
        }
        Value::Object(map) => {
            map.iter().flat_map(|(key, value)| places(value, &format!("{at}/{key}"))).collect()
        }
        _ => Vec::new(),
    };
    [vec![at.to_owned()], inside].concat()
}

/// What stands in the place of `value`.
fn others(value: &Value) -> Vec<Value> {
    let huge = u64::MAX;
    let mut others: Vec<Value> = [json!(null), json!(true), json!({}), json!("a.b")].into();
    others.extend([json!("metrics"), json!([]), json!([1, 2]), json!([huge]), json!(["a"])]);
    others.extend([json!([1u64 << 40]), json!([1u64 << 32, 1u64 << 32])]);
    others.extend([0, 1, 2, 3000, 1 << 32, 1 << 40, 1 << 62, huge - 3, huge].map(|n| json!(n)));
    others.extend([-1.0, 1e-300, 0.5, 1e308, -1e308].map(|n| json!(n)));
    match value {
        Value::Array(items) => {
            others.push(items.iter().rev().cloned().collect());
            others.push(items.iter().chain(items).cloned().collect());
            others.push(items.iter().skip(1).cloned().collect());
        }
        Value::Object(map) => {
            for missing in map.keys() {
                let rest = map.iter().filter(|(key, _)| *key != missing);
                others.push(rest.map(|(key, value)| (key.clone(), value.clone())).collect());
            }
        }
        _ => {}
    }
    others
}

/// Samples for the model, if they are not too large to be tried.
fn data(model: &Model) -> Option<Dataset> {
    const SAMPLES: usize = 3;
    let architecture = model.architecture();
    let mut inputs: Vec<(&str, Features, &[usize])> = Vec::new();
    for (name, input) in architecture.inputs() {
        let count = SAMPLES * input.width().filter(|&width| width < 1 << 16)?;
        let features = match input.values {
            InputType::U8 { .. } => Features::U8(vec![3; count].into()),
            InputType::F32 => Features::F32(vec![0.3; count].into()),
            InputType::Sparse { .. } => {
                let mut rows = SparseRows::default();
                (0..SAMPLES).for_each(|_| rows.push(&[0], &[0.3]).unwrap());
                Features::Sparse(SparseMatrix::new(input.width()?, rows).unwrap())
            }
        };
        inputs.push((name, features, &input.shape));
    }
    let targets = model.program().of_role(Role::Target).map(|(_, target)| {
        let values = match target.element {
            Element::U32 => vec![0; SAMPLES].into(),
            _ => Targets::values(vec![0.5; SAMPLES * target.columns], target.columns),
        };
        (target.name.trim_start_matches("targets."), values)
    });
    Some(Dataset::named(inputs, targets).unwrap())
}

/// Loads the model and, if there is one, does with it what models are for.
fn load_and_use(path: &Path) -> Result<(), Error> {
    let mut model = Model::load(path, &Cpu::new())?;
    let _ = model.architecture().summary();
    if let Some(data) = data(&model) {
        model.evaluate(&data, Evaluate::new())?;
        model.predict_outputs(&data, Predict::new())?;
        model.fit(&data, Fit::new().batch_size(2))?;
    }
    Ok(())
}

#[test]
fn whatever_the_metadata_says_is_an_error_or_a_model() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.safetensors");
    let (mut worked, mut refused) = (0, 0);
    for compiled in models() {
        compiled.build(&Cpu::new()).unwrap().save(&path).unwrap();
        load_and_use(&path).unwrap();
        let good = std::fs::read(&path).unwrap();
        let (mut header, tensors) = parts(&good);
        let metadata = header["__metadata__"]["minibatch"].as_str().unwrap();
        let mut metadata: Value = serde_json::from_str(metadata).unwrap();
        // It would tell of each change; files of earlier builds have none.
        assert!(metadata.as_object_mut().unwrap().remove("checksum").is_some());
        for place in places(&metadata, "") {
            for other in others(metadata.pointer(&place).unwrap()) {
                let mut changed = metadata.clone();
                *changed.pointer_mut(&place).unwrap() = other.clone();
                header["__metadata__"]["minibatch"] = json!(changed.to_string());
                let text = header.to_string();
                let length = (text.len() as u64).to_le_bytes();
                std::fs::write(&path, [&length, text.as_bytes(), tensors].concat()).unwrap();
                match catch_unwind(AssertUnwindSafe(|| load_and_use(&path))) {
                    Ok(Ok(())) => worked += 1,
                    Ok(Err(_)) => refused += 1,
                    Err(_) => panic!("{place:?} with {other} panics"),
                }
            }
        }
    }
    assert!(worked > 100 && refused > 1000, "{worked} worked, {refused} were refused");
}

#[test]
fn a_bit_that_changes_anywhere_in_a_file_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.safetensors");
    let [compiled, _] = models();
    compiled.build(&Cpu::new()).unwrap().save(&path).unwrap();
    let good = std::fs::read(&path).unwrap();
    for place in 0..good.len() {
        let mut bytes = good.clone();
        bytes[place] ^= 1 << (place % 8);
        // A checksum that is not called so any more is not looked at: the model is whole.
        if let Ok(mut model) = Model::load_bytes(&bytes, &Cpu::new()) {
            let same = model.save_bytes().unwrap() == good;
            assert!(same, "bit {} of byte {place}", place % 8);
        }
    }
    assert!(Model::load_bytes(&good, &Cpu::new()).unwrap().save_bytes().unwrap() == good);
}

#[test]
fn a_model_larger_than_memory_is_refused_before_it_is_built() {
    for width in [1 << 31, usize::MAX - 2] {
        let compiled = |layer: Layer| {
            let mut model = Functional::new();
            let input = model.input("input", width);
            let output = model.layer(input, layer);
            model.output("output", output);
            model.compile(Sgd::default(), [("output", Objective::new(Loss::MeanSquaredError))])
        };
        for layer in [
            Layer::BatchNormalization(BatchNormalization::new()),
            Layer::LayerNormalization(LayerNormalization::new()),
            Layer::Rescaling(Rescaling { scale: 2.0, offset: 0.0 }),
            Layer::Dense(Dense::new(1, Activation::Linear)),
        ] {
            let error = compiled(layer).build(&Cpu::new()).unwrap_err().to_string();
            assert!(error.contains(&width.to_string()), "{error}");
        }
    }
}

#[test]
fn the_old_file_stays_if_the_new_one_cannot_be_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    atomic_write(&path, b"one").unwrap();
    atomic_write(&path, b"two").unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"two");
    let names = std::fs::read_dir(directory.path()).unwrap().count();
    assert_eq!(names, 1, "something was left beside the file");
    // A directory cannot be replaced by a file.
    assert!(atomic_write(directory.path(), b"three").is_err());
    assert!(atomic_write(&directory.path().join("no/such/file"), b"three").is_err());
}

#[cfg(unix)]
#[test]
fn a_link_stays_and_what_is_no_file_is_refused() {
    use std::os::unix::net::UnixListener;

    let directory = tempfile::tempdir().unwrap();
    let [file, link, socket] = ["file", "link", "socket"].map(|n| directory.path().join(n));
    atomic_write(&file, b"one").unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    atomic_write(&link, b"two").unwrap();
    assert!(link.is_symlink());
    assert_eq!(std::fs::read(&file).unwrap(), b"two");
    let _listener = UnixListener::bind(&socket).unwrap();
    let error = atomic_write(&socket, b"three").unwrap_err().to_string();
    assert!(error.contains("socket: it is no ordinary file"), "{error}");
}

/// A model of one layer.
fn small(units: usize) -> Model {
    Sequential::new(2)
        .dense(units, Activation::Linear)
        .compile(Sgd::default(), Loss::MeanSquaredError, [])
        .build(&Cpu::new())
        .unwrap()
}

#[test]
fn a_text_kept_with_a_model_is_in_its_file() {
    let text = "any text: \"quotes\", \\ lines\r\n, \0 and \u{e9}\u{1f600}";
    let mut model = small(1);
    let bare = model.save_bytes().unwrap();
    assert_eq!(model.metadata("text"), None);
    model.set_metadata("text", "the first").unwrap();
    model.set_metadata("text", text).unwrap();
    model.set_metadata("another", "").unwrap();
    assert_eq!(model.metadata("text"), Some(text));
    let bytes = model.save_bytes().unwrap();

    let mut loaded = Model::load_bytes(&bytes, &Cpu::new()).unwrap();
    assert_eq!((loaded.metadata("text"), loaded.metadata("another")), (Some(text), Some("")));
    assert_eq!(loaded.save_bytes().unwrap(), bytes);
    // Restored texts take the place of those that were there.
    let mut restored = small(1);
    restored.set_metadata("of its own", "gone").unwrap();
    restored.restore_bytes(&bytes).unwrap();
    assert_eq!((restored.metadata("text"), restored.metadata("of its own")), (Some(text), None));
    // A file that is refused changes nothing.
    let mut other = small(2);
    other.set_metadata("of its own", "stays").unwrap();
    assert!(other.restore_bytes(&bytes).is_err());
    assert_eq!((other.metadata("text"), other.metadata("of its own")), (None, Some("stays")));

    // Without texts a file is what it was before there were any, and such a file is read.
    assert_eq!(loaded.remove_metadata("text").as_deref(), Some(text));
    assert_eq!(loaded.remove_metadata("text"), None);
    loaded.remove_metadata("another").unwrap();
    assert_eq!(loaded.save_bytes().unwrap(), bare);
    assert!(!String::from_utf8_lossy(&bare).contains("metadata\\\""));
    assert_eq!(Model::load_bytes(&bare, &Cpu::new()).unwrap().metadata("text"), None);
}

#[test]
fn texts_kept_with_a_model_have_a_limit_that_its_file_can_hold() {
    let mut model = small(1);
    // A control character takes the most bytes when it is written.
    let most = "\u{1}".repeat((8 << 20) - 2);
    model.set_metadata("ab", most.as_str()).unwrap();
    let loaded = Model::load_bytes(&model.save_bytes().unwrap(), &Cpu::new()).unwrap();
    assert!(loaded.metadata("ab") == Some(most.as_str()));
    for (key, text) in [("c", ""), ("ab", &*(most + "\u{1}")), ("", "text")] {
        let error = model.set_metadata(key, text).unwrap_err();
        assert!(matches!(error, Error::Argument { argument: "metadata", .. }), "{error}");
    }
    assert!(model.metadata("ab") == loaded.metadata("ab") && model.metadata("c").is_none());

    // A file that holds more was not written by us.
    let file = small(1).save_bytes().unwrap();
    let (mut header, tensors) = parts(&file);
    let mut metadata: Value =
        serde_json::from_str(header["__metadata__"]["minibatch"].as_str().unwrap()).unwrap();
    metadata["metadata"] = json!({ "a": "b".repeat(8 << 20) });
    metadata.as_object_mut().unwrap().remove("checksum");
    header["__metadata__"]["minibatch"] = json!(metadata.to_string());
    let text = header.to_string();
    let changed = [&(text.len() as u64).to_le_bytes(), text.as_bytes(), tensors].concat();
    let error = Model::load_bytes(&changed, &Cpu::new()).unwrap_err().to_string();
    assert!(error.contains("8388608"), "{error}");
}
