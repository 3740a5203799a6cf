//! What houses cost: regression with normalized inputs, early stopping, and the learning curve as a
//! picture. `cargo run --release --example housing [DATA.csv] [CURVE.svg]`
//!
//! The CSV file holds a house a line, its price in the last column of numbers; the first line may
//! name the columns. Columns of words and lines with a blank are left out, such as there are in
//! California housing. Without a file the example draws houses of its own. The curve goes to
//! `learning_curve.svg` unless another file ending in `.svg` is named.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use minibatch::callbacks::{EarlyStopping, LambdaCallback};
use minibatch::chart::{Axis, Figure, Panel, Series};
use minibatch::data::{BatchOrder, Dataset, Features, Shuffle, Targets};
use minibatch::model::Normalization;
use minibatch::random::{Random, Stream};
use minibatch::training::EpochRecord;
use minibatch::{Activation, Cpu, Evaluate, Fit, Loss, Metric, Predict, RmsProp, Sequential};

const EPOCHS: u32 = 300;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let (mut csv, mut svg) = (None, PathBuf::from("learning_curve.svg"));
    for path in std::env::args_os().skip(1).map(PathBuf::from) {
        match path.extension().is_some_and(|extension| extension == "svg") {
            true => svg = path,
            false => csv = Some(path),
        }
    }
    let table = match csv {
        Some(path) => read_csv(&path)?,
        None => {
            println!("synthetic houses: no CSV file given");
            synthetic_houses(2000, 0)
        }
    };

    // Prices near 1 are learned at the usual learning rate.
    let prices = table.rows.iter().filter_map(|row| row.last());
    let mean = prices.map(|price| price.abs()).sum::<f32>() / table.rows.len().max(1) as f32;
    let unit = if mean > 0.0 { 10f32.powf(mean.log10().floor()) } else { 1.0 };
    let (price, inputs) = table.names.split_last().ok_or("the table has no column")?;
    println!("{} rows: {}", table.rows.len(), inputs.join(", "));
    println!("to be predicted: {price}, in units of {unit}\n");

    // Files are often sorted: shuffled, the last fifth is like the rest.
    let order = BatchOrder::new(table.rows.len(), table.rows.len(), Shuffle::Full, 0, 0);
    let places = 0..order.samples();
    let shuffled = places.filter_map(|place| table.rows.get(order.sample(place)));
    let (mut features, mut prices) = (Vec::new(), Vec::new());
    for (price, inputs) in shuffled.filter_map(|row| row.split_last()) {
        features.extend(inputs);
        prices.push(price / unit);
    }
    let features = Features::F32(features.into());
    let data = Dataset::new(features, &[inputs.len()], Targets::values(prices.clone(), 1))?;
    let (train, test) = data.split_last(0.2)?;

    let network = Sequential::new(inputs.len())
        .layer(Normalization::adapt(&train)?)
        .dense(64, Activation::Relu)
        .dense(64, Activation::Relu)
        .dense(1, Activation::Linear);
    println!("{}", network.summary());
    let mut model = network
        .compile(RmsProp::default(), Loss::MeanSquaredError, [Metric::MeanAbsoluteError])
        .build(&Cpu::new())?;

    let mut lines = LambdaCallback::new().on_epoch_end(|_, record| {
        if record.epoch == 1 || record.epoch.is_multiple_of(10) {
            println!("Epoch {}/{EPOCHS} - {}", record.epoch, line(record));
        }
        Ok(())
    });
    let mut stopping = EarlyStopping::new().patience(30).restore_best_weights(true);
    let fit = Fit::new()
        .epochs(EPOCHS)
        .validation_split(0.2)
        .callback(&mut lines)
        .callback(&mut stopping);
    let history = model.fit(&train, fit)?;
    let best = stopping.best_epoch().unwrap_or(EPOCHS);
    match stopping.stopped_epoch() {
        Some(epoch) => print!("Epoch {epoch}: early stopping; "),
        None => print!("all epochs ran; "),
    }
    println!("the weights are those of epoch {best}\n");

    let scores = model.evaluate(&test, Evaluate::new())?;
    let mae = scores.value("mae").unwrap_or_default();
    println!("test, {} houses: mse {:.4}, mae {mae:.4}", test.len(), scores.loss);
    println!("that is {:.4} in the unit of the data\n", mae * f64::from(unit));

    println!("predicted     true");
    let few = test.slice(0..test.len().min(8))?;
    let predictions = model.predict(&few, Predict::new())?;
    for (predicted, price) in predictions.iter().zip(prices.iter().skip(train.len())) {
        println!("{predicted:9.2} {price:8.2}");
    }

    draw(&svg, &history.epochs, best)?;
    println!("\nlearning curve: {}", svg.display());
    Ok(())
}

/// The scores of an epoch.
fn line(record: &EpochRecord) -> String {
    let named = ["loss", "mae", "val_loss", "val_mae"].into_iter();
    let values = named.filter_map(|name| Some(format!("{name}: {:.4}", record.value(name)?)));
    values.collect::<Vec<_>>().join(" - ")
}

/// Columns of numbers, the last of which is to be predicted.
struct Table {
    names: Vec<String>,
    /// As many numbers in each as there are names.
    rows: Vec<Vec<f32>>,
}

/// Reads what lies between commas, without quotes; a first line without a number in it is the
/// columns' names.
fn read_csv(path: &Path) -> Result<Table, String> {
    let file = path.display();
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("cannot read {file}: {error}"))?;
    let mut lines = (1..).zip(text.trim_start_matches('\u{feff}').lines()).peekable();
    let first = lines.peek().map_or("", |(_, line)| line);
    let first: Vec<&str> = first.split(',').map(|cell| cell.trim().trim_matches('"')).collect();
    let names: Vec<String> = match first.iter().any(|cell| number(cell).is_some()) {
        true => (1..=first.len()).map(|column| format!("column {column}")).collect(),
        false => {
            lines.next();
            first.into_iter().map(String::from).collect()
        }
    };
    // The first house tells which columns are words.
    let house: Vec<&str> = lines.peek().map_or("", |(_, line)| line).split(',').collect();
    let is_words = |cell: &&str| !cell.trim().is_empty() && number(cell.trim()).is_none();
    let words: Vec<bool> = house.iter().map(is_words).collect();
    let left_out = |column: usize| words.get(column).copied().unwrap_or(false);
    let (mut used, mut unused) = (Vec::new(), Vec::new());
    for (column, name) in names.iter().enumerate() {
        if left_out(column) { unused.push(name.clone()) } else { used.push(name.clone()) }
    }
    if used.len() < 2 {
        return Err(format!(
            "{file}: has {} column of numbers, expected at least one input and the price, between \
             commas",
            used.len()
        ));
    }
    let (mut rows, mut blank) = (Vec::new(), 0);
    for (number_of_line, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
        let cells: Vec<&str> = line.split(',').map(str::trim).collect();
        if cells.len() != names.len() {
            return Err(format!(
                "{file}, line {number_of_line}: has {} cells, expected {} as in line 1",
                cells.len(),
                names.len()
            ));
        }
        if cells.iter().any(|cell| cell.is_empty()) {
            blank += 1;
            continue;
        }
        let cells = (0..).zip(cells).filter(|&(column, _)| !left_out(column));
        let mut row = Vec::with_capacity(used.len());
        for ((column, cell), name) in cells.zip(&used) {
            row.push(number(cell).ok_or_else(|| {
                format!(
                    "{file}, line {number_of_line}, column {} ({name}): {cell:?} is not a finite \
                     number; correct it, or leave the line out",
                    column + 1
                )
            })?);
        }
        rows.push(row);
    }
    if !unused.is_empty() || blank > 0 {
        let unused = if unused.is_empty() { "none".into() } else { unused.join(", ") };
        println!("left out: columns of words: {unused}; lines with a blank: {blank}");
    }
    match rows.is_empty() {
        true => Err(format!("{file}: has no line of numbers, expected one for each house")),
        false => Ok(Table { names: used, rows }),
    }
}

fn number(cell: &str) -> Option<f32> {
    cell.parse().ok().filter(|value: &f32| value.is_finite())
}

/// Houses whose price is a known function of what they are, but for up to a tenth more or less:
/// larger is dearer, the more so the nearer the centre, and new and very old ones are liked best.
fn synthetic_houses(count: usize, seed: u64) -> Table {
    let mut random = Random::new(seed, Stream::Shuffle(0));
    let mut rows = Vec::with_capacity(count);
    for _ in 0..count {
        let area = random.range(30.0, 200.0);
        let rooms = (area / random.range(20.0, 40.0)).ceil();
        let age = random.range(0.0, 120.0);
        let distance = random.range(0.0, 25.0);
        let garden = random.below(2) as f64;
        let place = 1000.0 + 5000.0 * (-distance / 8.0).exp();
        let condition = 0.7 + 0.3 * ((age - 60.0) / 60.0).powi(2);
        let price = area * place * condition + 5000.0 * rooms + garden * 2000.0 * distance;
        let price = price * random.range(0.9, 1.1);
        rows.push([area, rooms, age, distance, garden, price].map(|value| value as f32).to_vec());
    }
    let names = ["area", "rooms", "age", "distance", "garden", "price"];
    Table { names: names.map(String::from).to_vec(), rows }
}

/// Draws loss and validation loss of each epoch, the losses in a logarithmic scale.
fn draw(path: &Path, epochs: &[EpochRecord], best: u32) -> Result<(), Box<dyn Error>> {
    let losses = |name: &str| -> Vec<(f64, f64)> {
        epochs.iter().filter_map(|r| Some((f64::from(r.epoch), r.value(name)?))).collect()
    };
    let panel = Panel::new("", Axis::linear("epoch").integers(), Axis::log("mean squared error"))
        .series(Series::line("training", losses("loss")))
        .series(Series::line("validation", losses("val_loss")).dashed())
        .series(Series::vertical(format!("weights kept (epoch {best})"), best.into()));
    let figure = Figure::new("Learning curve").panel_size(900, 500).panel(panel);
    std::fs::write(path, figure.to_svg())
        .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    Ok(())
}
