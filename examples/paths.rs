//! The paths that full batch, mini-batch and single samples take over the loss of a model with two
//! parameters, a weight and a bias. `cargo run --release --example paths -- [FILE.svg]`

use std::path::PathBuf;

use minibatch::chart::{Axis, Colour, Figure, Panel, Series};
use minibatch::data::{Dataset, Features, Targets};
use minibatch::random::{Random, Stream};
use minibatch::training::{Answer, Callback, Control, Request, StepEnd};
use minibatch::{Activation, Cpu, Fit, Loss, Sequential, Sgd};

const SAMPLES: usize = 64;
const EPOCHS: u32 = 20;
const LEARNING_RATE: f64 = 0.04;
/// Weight and bias to begin with.
const START: [f32; 2] = [-1.0, 3.5];

/// Notes the weights after each step.
struct Path(Vec<(f64, f64)>);

impl Callback for Path {
    fn batch_end(&mut self, run: &mut dyn Control, _step: StepEnd) -> minibatch::Result<()> {
        run.request(Request::Weights);
        Ok(())
    }

    fn answer(&mut self, _run: &mut dyn Control, answer: Answer) -> minibatch::Result<()> {
        if let Answer::Weights(weights) = answer {
            let mut values = weights.iter().flat_map(|(.., values)| values).copied();
            if let (Some(weight), Some(bias)) = (values.next(), values.next()) {
                self.0.push((weight.into(), bias.into()));
            }
        }
        Ok(())
    }
}

/// The loss `mean((w x + b - y)²)`: a bowl, told by its lowest point and how it bends there.
struct Bowl {
    lowest: [f64; 2],
    loss: f64,
    /// The means of `x²` and of `x`.
    bend: [f64; 2],
}

impl Bowl {
    fn of(points: &[(f64, f64)]) -> Self {
        let mean = |of: &dyn Fn(f64, f64) -> f64| {
            points.iter().map(|&(x, y)| of(x, y)).sum::<f64>() / points.len() as f64
        };
        let (xx, x, xy, y) =
            (mean(&|x, _| x * x), mean(&|x, _| x), mean(&|x, y| x * y), mean(&|_, y| y));
        let weight = (xy - x * y) / (xx - x * x);
        let bias = y - weight * x;
        let loss = mean(&|x, y| (weight * x + bias - y).powi(2));
        Bowl { lowest: [weight, bias], loss, bend: [xx, x] }
    }

    fn loss_at(&self, (weight, bias): (f64, f64)) -> f64 {
        let ([w, b], [xx, x]) = ([weight - self.lowest[0], bias - self.lowest[1]], self.bend);
        self.loss + xx * w * w + 2.0 * x * w * b + b * b
    }

    /// Where the loss is this: an ellipse around the lowest point. With the root of the bend,
    /// `xx w² + 2 x w b + b² = s² w² + (x w + b)²`, it is a circle that was stretched.
    fn contour(&self, loss: f64) -> Vec<(f64, f64)> {
        let [xx, x] = self.bend;
        let radius = (loss - self.loss).max(0.0).sqrt();
        let point = |turn: i32| {
            let (sin, cos) = (f64::from(turn) / 90.0 * std::f64::consts::TAU).sin_cos();
            let w = radius * cos / (xx - x * x).sqrt();
            (self.lowest[0] + w, self.lowest[1] + radius * sin - x * w)
        };
        (0..=90).map(point).collect()
    }
}

fn main() -> minibatch::Result<()> {
    let file = std::env::args_os().nth(1).map_or_else(|| "paths.svg".into(), PathBuf::from);
    // y = 1.5 x + 0.5 and noise.
    let mut random = Random::new(1, Stream::Parity);
    let points: Vec<(f64, f64)> = (0..SAMPLES)
        .map(|_| {
            let x = random.range(-1.0, 3.0);
            (x, 1.5 * x + 0.5 + random.range(-1.5, 1.5))
        })
        .collect();
    let inputs: Vec<f32> = points.iter().map(|&(x, _)| x as f32).collect();
    let targets: Vec<f32> = points.iter().map(|&(_, y)| y as f32).collect();
    let data = Dataset::new(Features::F32(inputs.into()), &[1], Targets::values(targets, 1))?;
    let bowl = Bowl::of(&points);
    let [weight, bias] = bowl.lowest;

    let start = (f64::from(START[0]), f64::from(START[1]));
    println!("{SAMPLES} samples, {EPOCHS} epochs, learning rate {LEARNING_RATE}");
    println!("{:<22} {:>5} {:>8} {:>8} {:>8}", "", "steps", "weight", "bias", "loss");
    println!("{:<22} {:>5} {weight:>8.4} {bias:>8.4} {:>8.4}", "lowest point", "", bowl.loss);
    let mut figure = Figure::new("Three ways down the same loss").columns(3).panel_size(430, 430);
    for (name, batch_size, colour) in [
        ("full batch", SAMPLES, Colour::SERIES[0]),
        ("batches of 8", 8, Colour::SERIES[1]),
        ("one sample at a time", 1, Colour::SERIES[2]),
    ] {
        let mut model = Sequential::new(1)
            .dense(1, Activation::Linear)
            .compile(Sgd::new(LEARNING_RATE), Loss::MeanSquaredError, [])
            .build(&Cpu::new())?;
        model.set_weight("dense_1.weight", &START[..1])?;
        model.set_weight("dense_1.bias", &START[1..])?;
        let mut path = Path(vec![start]);
        let fit = Fit::new().batch_size(batch_size).epochs(EPOCHS).callback(&mut path);
        model.fit(&data, fit)?;
        let Path(path) = path;
        let steps = path.len() - 1;
        if let Some(&(weight, bias)) = path.last() {
            let loss = bowl.loss_at((weight, bias));
            println!("{name:<22} {steps:>5} {weight:>8.4} {bias:>8.4} {loss:>8.4}");
        }
        let axes = [("weight", -1.5, 3.0), ("bias", -1.5, 4.0)];
        let [x, y] = axes.map(|(label, low, high)| Axis::linear(label).range(low, high));
        let mut panel = Panel::new(format!("{name}: {steps} steps"), x, y);
        for doubled in 0..8 {
            let contour = bowl.contour(bowl.loss + 0.1 * f64::from(1 << doubled));
            panel =
                panel.series(Series::line("", contour).colour(Colour(200, 200, 200)).width(1.0));
        }
        panel = panel
            .series(Series::line("", path).points().colour(colour).width(1.0))
            .series(Series::scatter("", [(weight, bias)]).colour(Colour::BLACK));
        figure = figure.panel(panel);
    }
    let written = std::fs::write(&file, figure.to_svg());
    written.map_err(|source| minibatch::Error::Io {
        action: "write",
        path: file.clone(),
        source,
    })?;
    println!("drawn in {}", file.display());
    Ok(())
}
