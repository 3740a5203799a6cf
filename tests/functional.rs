//! Graphs of layers on both executors.

use approx::assert_abs_diff_eq;
use minibatch::data::{Dataset, Features, Targets};
use minibatch::model::{
    Dropout, Flatten, GaussianNoise, Input, Layer, Normalization, Objective, Tensor,
};
use minibatch::training::Backend;
use minibatch::{Activation, Clip, Cpu, Fit, Functional, Gpu, Loss, Predict, Sgd};

fn backends() -> [Backend; 2] {
    let gpu = Gpu::new().unwrap_or_else(|error| panic!("{error}"));
    [Backend::from(&Cpu::new()), Backend::from(&gpu)]
}

/// Samples of the input `x` and targets of the output `y`.
fn data(x: Features, width: usize, y: Vec<f32>) -> Dataset {
    Dataset::named([("x", x, &[width][..])], [("y", Targets::values(y, 1))]).unwrap()
}

#[test]
fn bytes_that_a_dense_layer_takes_can_be_an_output_too() {
    let of = |bytes: &[u8]| data(Features::U8(bytes.to_vec().into()), 2, vec![0.5; 2]);
    // What training drops of them, prediction gives to the dense layer as it is.
    for dropped in [false, true] {
        for backend in backends() {
            let mut model = Functional::new();
            let x = model.input("x", Input::pixels(&[2]));
            let taken = match dropped {
                true => model.layer(x, Layer::Dropout(Dropout { rate: 0.5 })),
                false => x,
            };
            let y = model.dense(taken, 1, Activation::Linear);
            model.output("y", y);
            model.output("scaled", x);
            let objective = Objective::new(Loss::MeanSquaredError);
            let compiled = model.compile(Sgd::default(), [("y", objective)]);
            let mut model = compiled.build(backend).unwrap();
            model.fit(of(&[255, 255, 255, 255]), Fit::new()).unwrap();
            let outputs = model.predict_outputs(of(&[0, 51, 102, 255]), Predict::new()).unwrap();
            let (name, scaled) = &outputs[1];
            assert_eq!(name, "scaled");
            assert_abs_diff_eq!(scaled[..], [0.0, 0.2, 0.4, 1.0][..], epsilon = 1e-6);
        }
    }
}

#[test]
fn a_value_of_another_model_is_refused_and_one_of_a_clone_is_not() {
    let mut other = Functional::new();
    let of_other = other.input("x", 2);
    let mut model = Functional::new();
    let input = model.input("x", 2);
    assert_eq!(model, other);
    let dense = model.dense(input, 1, Activation::Linear);
    model.output("y", dense);
    let refusal = |model: &Functional| {
        let objective = Objective::new(Loss::MeanSquaredError);
        let compiled = model.clone().compile(Sgd::default(), [("y", objective)]);
        compiled.build(&Cpu::new()).err().map(|error| error.to_string())
    };
    assert_eq!(refusal(&model), None);
    let mut longer = model.clone();
    longer.dense(dense, 1, Activation::Linear);
    assert_eq!(refusal(&longer), None);
    // Each of them has a value of the same width at that place of its own.
    let mistakes: [fn(&mut Functional, Tensor); 5] = [
        |model, of_other| {
            model.dense(of_other, 1, Activation::Linear);
        },
        |model, of_other| {
            model.named("z", of_other, Layer::Flatten(Flatten {}));
        },
        |model, of_other| {
            model.add([of_other, of_other]);
        },
        |model, of_other| {
            model.concatenate([of_other, of_other]);
        },
        |model, of_other| model.output("z", of_other),
    ];
    for mistake in mistakes {
        let mut model = model.clone();
        mistake(&mut model, of_other);
        let refusal = refusal(&model).unwrap();
        assert!(refusal.contains("of another model"), "{refusal}");
    }
}

#[test]
fn probabilities_are_not_taken_for_logits() {
    let cross_entropy = Loss::SparseCategoricalCrossentropy;
    let refusal = |activation, loss, last: fn(&mut Functional, Tensor) -> Tensor| {
        let mut model = Functional::new();
        let x = model.input("x", 2);
        let made = model.dense(x, 3, activation);
        let y = last(&mut model, made);
        model.output("y", y);
        let compiled = model.compile(Sgd::default(), [("y", Objective::new(loss))]);
        compiled.build(&Cpu::new()).err().map(|error| error.to_string())
    };
    let noisy: fn(&mut Functional, Tensor) -> Tensor = |model, made| {
        model.layer(made, Layer::GaussianNoise(GaussianNoise { standard_deviation: 0.1 }))
    };
    let dropped: fn(&mut Functional, Tensor) -> Tensor = |model, made| {
        let flat = model.layer(made, Layer::Flatten(Flatten {}));
        model.layer(flat, Layer::Dropout(Dropout { rate: 0.1 }))
    };
    // An ensemble's, far up. It doubles with each step, and each is looked at once.
    let summed: fn(&mut Functional, Tensor) -> Tensor =
        |model, made| (0..100).fold(made, |sum, _| model.add([sum, sum]));
    let beside: fn(&mut Functional, Tensor) -> Tensor =
        |model, made| model.concatenate([made, made]);
    let linear: fn(&mut Functional, Tensor) -> Tensor =
        |model, made| model.layer(made, Layer::Activation(Activation::Linear.into()));
    for last in [noisy, dropped, summed, beside, linear] {
        for activation in [Activation::Softmax, Activation::Sigmoid] {
            for loss in [cross_entropy.clone(), Loss::BINARY_CROSSENTROPY] {
                let refusal = refusal(activation, loss, last).unwrap();
                assert!(refusal.contains(&format!("let {activation:?} come last")), "{refusal}");
            }
            assert_eq!(refusal(activation, Loss::MeanSquaredError, last), None);
        }
        assert_eq!(refusal(Activation::Linear, cross_entropy.clone(), last), None);
    }
    // These have weights of their own.
    let weighed: fn(&mut Functional, Tensor) -> Tensor =
        |model, made| model.dense(made, 3, Activation::Linear);
    assert_eq!(refusal(Activation::Softmax, cross_entropy.clone(), weighed), None);
    let own: fn(&mut Functional, Tensor) -> Tensor = |_, made| made;
    assert_eq!(refusal(Activation::Softmax, cross_entropy.clone(), own), None);
}

#[test]
fn an_input_may_be_called_as_what_the_optimizer_keeps() {
    let clip = Clip::GlobalNorm(1.0);
    for name in ["parameters", "gradients", "velocity", "squared_norm", "accumulated"] {
        let mut model = Functional::new();
        let x = model.input(name, 2);
        let y = model.dense(x, 1, Activation::Linear);
        model.output("y", y);
        let objective = Objective::new(Loss::MeanSquaredError);
        let compiled = model.compile(Sgd { clip, ..Sgd::default() }, [("y", objective)]);
        let compiled = compiled.gradient_accumulation_steps(2);
        assert!(compiled.build(&Cpu::new()).is_ok(), "{name}");
    }
}

#[test]
fn pixels_are_normalized_as_the_model_sees_them() {
    // Of the first value the mean is 100 and the variance 5000, of the second 25 and 100.
    let bytes = vec![0, 15, 100, 35, 200, 15, 100, 35];
    let samples = data(Features::U8(bytes.into()), 2, vec![0.0; 4]);
    let root = 2f32.sqrt();
    for backend in backends() {
        let mut model = Functional::new();
        let x = model.input("x", Input::pixels(&[2]));
        let y = model.layer(x, Normalization::adapt(&samples).unwrap());
        model.output("y", y);
        let objective = Objective::new(Loss::MeanSquaredError);
        let mut model = model.compile(Sgd::default(), [("y", objective)]).build(backend).unwrap();
        let normal = model.predict(&samples, Predict::new()).unwrap();
        let expected = [-root, -1.0, 0.0, 1.0, root, -1.0, 0.0, 1.0];
        assert_abs_diff_eq!(normal[..], expected[..], epsilon = 1e-5);
    }
}

/// Targets are told by their order: one that no operation reads still has its place.
#[test]
fn a_target_that_no_loss_reads_keeps_its_place() {
    let mut model = Functional::new();
    let input = model.input("input", 3);
    let outputs = ["first", "second"].map(|name| {
        let output = model.dense(input, 2, Activation::Linear);
        model.output(name, output);
        name
    });
    let ignoring =
        Loss::custom("size", |graph, prediction, _| graph.map([prediction], |[x]| &x * &x));
    let losses = [Objective::new(ignoring), Objective::new(Loss::MeanSquaredError)];
    let compiled = model.compile(Sgd::default(), outputs.into_iter().zip(losses));
    let program = minibatch::model::lower(&compiled).unwrap();
    let targets = program.of_role(minibatch::program::Role::Target);
    let names: Vec<&str> = targets.map(|(_, buffer)| buffer.name.as_str()).collect();
    assert_eq!(names, ["targets.first", "targets.second"]);
}
