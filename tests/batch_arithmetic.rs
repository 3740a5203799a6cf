//! What docs/batches.md calculates, calculated by the library.

use minibatch::data::{Batch, Dataset, Features, Targets};
use minibatch::training::{Callback, Control, StepEnd};
use minibatch::{Activation, Cpu, Fit, Loss, Model, Result, Sequential, Sgd};

const GUIDE: &str = include_str!("../docs/batches.md");

/// x = y = 1, 2, 3, ...
fn numbers(samples: usize) -> Dataset {
    let values: Vec<f32> = (1..=samples).map(|i| i as f32).collect();
    let features = Features::F32(values.clone().into());
    Dataset::new(features, &[1], Targets::values(values, 1)).unwrap()
}

/// One weight, which begins at 0, and the squared error.
fn model(learning_rate: f64) -> Model {
    let mut model = Sequential::new(1)
        .dense(1, Activation::Linear)
        .compile(Sgd::new(learning_rate), Loss::MeanSquaredError, [])
        .build(&Cpu::new())
        .unwrap();
    model.set_weight("dense_1.weight", &[0.0]).unwrap();
    model
}

/// Samples of each step.
#[derive(Default)]
struct Steps {
    sizes: Vec<usize>,
    before: usize,
}

impl Callback for Steps {
    fn batch_end(&mut self, _run: &mut dyn Control, step: StepEnd) -> Result<()> {
        self.before = if step.step == 1 { 0 } else { self.before };
        self.sizes.push(step.samples - self.before);
        self.before = step.samples;
        Ok(())
    }
}

/// The cells of the rows of the guide's table whose first column is called `first`, as they stand.
fn table(first: &str) -> Vec<Vec<String>> {
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let mut lines = GUIDE.lines().skip_while(|line| !line.starts_with(&format!("| {first} |")));
    lines.next().unwrap_or_else(|| panic!("the guide has no table of {first}"));
    lines.skip(1).take_while(|line| line.starts_with('|')).map(cells).collect()
}

fn number(cell: &str) -> usize {
    cell.replace(',', "").parse().unwrap_or_else(|error| panic!("{cell}: {error}"))
}

#[test]
fn an_epoch_has_as_many_steps_as_the_guide_says() {
    let rows = table("samples");
    for expected in
        [["800", "32", "25"], ["6", "3", "2"], ["24,000", "32", "750"], ["2,000", "10", "200"]]
    {
        assert!(
            rows.iter().any(|row| row.starts_with(&expected.map(str::to_owned))),
            "{expected:?}"
        );
    }
    for row in &rows {
        let [samples, batch_size, steps, last] = &row[..] else { panic!("{row:?}") };
        let mut counted = Steps::default();
        let mut fit = Fit::new().epochs(2).callback(&mut counted);
        if batch_size != "not given" {
            fit = fit.batch_size(number(batch_size));
        }
        // A rate of 0: these numbers are large, and only steps are counted.
        model(0.0).fit(numbers(number(samples)), fit).unwrap();
        let steps = number(steps);
        assert_eq!(counted.sizes.len(), 2 * steps, "{row:?}");
        let ends = [counted.sizes[steps - 1], counted.sizes[2 * steps - 1]];
        assert_eq!(ends, [number(last); 2], "{row:?}");
        let all: usize = counted.sizes.iter().sum();
        assert_eq!(all, 2 * number(samples), "{row:?}");
    }
    assert!(rows.iter().any(|row| row[1] == "not given"));
}

#[test]
fn a_batch_has_the_mean_of_its_samples_gradients() {
    let data = numbers(6);
    let mut model = model(0.01);
    let mut gradient = |indices: &[u32]| {
        let gradients = model.gradients(Batch { data: &data, indices }).unwrap();
        f64::from(gradients[0].2[0])
    };
    let rows = table("x = y");
    let single: Vec<f64> = (0..6).map(|sample| gradient(&[sample])).collect();
    let told: Vec<f64> = rows.iter().map(|row| row[1].replace('−', "-").parse().unwrap()).collect();
    assert_eq!(told, single);
    let sum: f64 = single.iter().sum();
    let mean = gradient(&[0, 1, 2, 3, 4, 5]);
    assert!((mean - sum / 6.0).abs() < 1e-5);
    for value in [format!("−{}", -sum), format!("−{:.2}", -mean)] {
        assert!(GUIDE.contains(&value), "the guide does not say {value}");
    }
}

/// One step with the mean of n gradients is one with their sum and an n-th of the rate.
#[test]
fn the_sum_takes_steps_as_many_times_as_large() {
    let data = numbers(6);
    let indices = [0, 1, 2, 3, 4, 5];
    let mut model = model(0.01);
    model.train_on_batch(Batch { data: &data, indices: &indices }).unwrap();
    let weight = f64::from(model.weight("dense_1.weight").unwrap()[0]);
    let sum = -2.0 * (1..=6).map(|x| f64::from(x * x)).sum::<f64>();
    assert!((weight - -0.01 / 6.0 * sum).abs() < 1e-6, "{weight}");
    let [by_mean, by_sum] = [format!("{:.3}", -0.01 * sum / 6.0), format!("{:.2}", -0.01 * sum)];
    assert!(GUIDE.contains(&by_mean) && GUIDE.contains(&by_sum), "{by_mean}, {by_sum}");
}
