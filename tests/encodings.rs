//! The frequency encoding and the multiresolution hash grid: against their papers' definitions in numpy, the same
//! bits whatever the order in which gradients are added up, and as layers of models that learn with them.

use std::sync::Arc;

use minibatch::cpu::CpuExecutor;
use minibatch::data::{Batch, Dataset, Features, Targets};
use minibatch::gpu::{GpuExecutor, block_on};
use minibatch::model::{Dense, FrequencyEncoding, HashGrid, Initializer, lower};
use minibatch::operation::{self, Frequencies, GridSizes, Op};
use minibatch::program::{
    BufferId, Element, Pass, Program, ProgramBuilder, Reals, Role, Rows, Step,
};
use minibatch::random::{Random, Stream};
use minibatch::training::Backend;
use minibatch::{
    Activation, Adam, Cpu, Error, Evaluate, Fit, Functional, Gpu, Loss, Model, Objective,
    Precision, Sequential,
};
use serde_json::Value;

fn golden() -> Value {
    serde_json::from_str(include_str!("encodings/golden.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

#[track_caller]
fn assert_close(actual: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(actual.len(), expected.len());
    for (place, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        let error = (actual - expected).abs();
        assert!(error <= tolerance, "{place}: {actual}, expected {expected}");
    }
}

/// numpy's own sine of `2^k π x`, an argument that is rounded, is off by 2^-53 of up to 2^5 π.
#[test]
fn waves_are_those_of_numpy() {
    let golden = &golden()["frequency"];
    let (input, output) = (numbers(&golden["input"]), numbers(&golden["output"]));
    let mut builder = ProgramBuilder::new();
    let from = builder.activation("input", 3).unwrap();
    let to = builder.activation("output", 36).unwrap();
    let frequencies = Frequencies::new(6, false).unwrap();
    let op = operation::FrequencyEncoding { input: from, output: to, frequencies };
    builder.push(Pass::Predict, op).unwrap();
    let program = Arc::new(builder.build());
    let mut cpu = CpuExecutor::<f64>::new(Arc::clone(&program));
    cpu.reserve(6);
    cpu.write(from, &input).unwrap();
    cpu.execute(&op.into(), &Step::forward(6));
    assert_close(&cpu.read(to, 6), &output, 1e-13);
}

/// A hash grid with its gradients, operation by operation.
struct Grid {
    program: Arc<Program>,
    ops: Vec<Op>,
    input: BufferId,
    table: BufferId,
    output: BufferId,
    output_gradient: BufferId,
    table_gradient: BufferId,
    input_gradient: BufferId,
}

impl Grid {
    fn new(sizes: GridSizes, dimensions: usize) -> Self {
        let mut builder = ProgramBuilder::new();
        let mut rows = |name, columns| builder.activation(name, columns).unwrap();
        let [input, input_gradient] =
            ["input", "input_gradient"].map(|name| rows(name, dimensions));
        let [output, output_gradient] =
            ["output", "output_gradient"].map(|name| rows(name, sizes.outputs()));
        let (entries, features) = (sizes.levels(dimensions).entries(), sizes.features as usize);
        let [table, table_gradient] = ["table", "table_gradient"].map(|name| {
            let (role, rows) = (Role::Parameter, Rows::Packed(entries));
            builder.buffer(name, role, Element::Real, rows, features).unwrap()
        });
        let words = 2 * entries.next_multiple_of(4) * features;
        let [largest, sums] = [("largest", 16), ("sums", words)].map(|(name, columns)| {
            builder.buffer(name, Role::Scratch, Element::Real, Rows::One, columns).unwrap()
        });
        let ops: Vec<Op> = vec![
            operation::HashGrid { input, table, output, sizes }.into(),
            operation::LargestGradient { gradient: output_gradient, largest }.into(),
            operation::HashGridScatter { largest, output_gradient, input, sums, sizes }.into(),
            operation::HashGridCollect { largest, sums, table_gradient }.into(),
            operation::HashGridBackwardInput {
                output_gradient,
                input,
                table,
                input_gradient,
                sizes,
            }
            .into(),
        ];
        ops.iter().for_each(|&op| builder.push(Pass::Predict, op).unwrap());
        let program = Arc::new(builder.build());
        Grid { program, ops, input, table, output, output_gradient, table_gradient, input_gradient }
    }

    /// What the CPU makes of it in f64: the output, and the gradients of the table and of the input.
    fn on_cpu(&self, given: [&[f64]; 3], rows: usize) -> [Vec<f64>; 3] {
        let mut cpu = CpuExecutor::<f64>::new(Arc::clone(&self.program));
        cpu.reserve(rows);
        for (id, values) in [self.input, self.table, self.output_gradient].into_iter().zip(given) {
            cpu.write(id, values).unwrap();
        }
        self.ops.iter().for_each(|op| cpu.execute(op, &Step::forward(rows)));
        [self.output, self.table_gradient, self.input_gradient].map(|id| cpu.read(id, rows))
    }

    /// The same on a GPU.
    fn on_gpu(&self, gpu: &mut GpuExecutor, given: [&[f64]; 3], rows: usize) -> [Vec<f64>; 3] {
        for (id, values) in [self.input, self.table, self.output_gradient].into_iter().zip(given) {
            block_on(gpu.write(id, values)).unwrap();
        }
        block_on(gpu.execute(Pass::Predict, &Step::forward(rows))).unwrap();
        [self.output, self.table_gradient, self.input_gradient]
            .map(|id| block_on(gpu.read(id, rows)).unwrap())
    }

    fn gpu(&self, rows: usize) -> GpuExecutor {
        let gpu = Gpu::new().unwrap_or_else(|error| panic!("{error}"));
        let mut gpu = block_on(GpuExecutor::new(&gpu, Arc::clone(&self.program))).unwrap();
        block_on(gpu.reserve(rows)).unwrap();
        gpu
    }
}

fn sizes(
    [levels, features]: [u32; 2],
    log2_table_size: u32,
    [base, finest]: [u32; 2],
) -> GridSizes {
    let (base_resolution, finest_resolution) = (base, finest);
    GridSizes { levels, features, log2_table_size, base_resolution, finest_resolution }
}

#[test]
fn hash_grids_are_those_of_their_definition() {
    let golden = golden();
    let grids = golden["hash_grid"].as_array().unwrap();
    assert_eq!(grids.len(), 5);
    for grid in grids {
        let of = |name: &str| numbers(&grid[name]);
        let own: Vec<u32> = of("sizes").into_iter().map(|size| size as u32).collect();
        let sizes = sizes([own[0], own[1]], own[2], [own[3], own[4]]);
        let dimensions = grid["dimensions"].as_u64().unwrap() as usize;
        let levels = sizes.levels(dimensions);
        let resolutions = levels.each().iter().map(|level| f64::from(level.resolution));
        assert_eq!(resolutions.collect::<Vec<_>>(), of("resolutions"));
        assert_eq!(levels.entries() as u64, grid["entries"].as_u64().unwrap());
        let (input, table, d) = (of("input"), of("table"), of("output_gradient"));
        let rows = input.len() / dimensions;
        let built = Grid::new(sizes, dimensions);
        let [output, by_table, by_input] = built.on_cpu([&input, &table, &d], rows);
        assert_close(&output, &of("output"), 1e-13);
        assert_close(&by_table, &of("table_gradient"), 1e-13);
        // Differences over 2^-19 of sums of up to 16 products; the first two rows lie at the ends.
        let of_rows = |values: Vec<f64>| values[2 * dimensions..].to_vec();
        assert_close(&of_rows(by_input), &of_rows(of("input_gradient")), 1e-7);
    }
}

/// Positions of which very many share a cell, a table and gradients of all sizes.
fn crowded(sizes: GridSizes, rows: usize) -> [Vec<f64>; 3] {
    let mut random = Random::new(3, Stream::Parity);
    let mut values = |count: usize, size: f64| -> Vec<f64> {
        (0..count).map(|_| f64::from(random.range(-size, size) as f32)).collect()
    };
    let input =
        values(2 * rows, 0.25).into_iter().map(|x| 0.5 + f64::from((x * x) as f32)).collect();
    let table = values(sizes.levels(2).entries() * sizes.features as usize, 1.0);
    let columns = sizes.outputs();
    let d = (0..rows).flat_map(|row| values(columns, f64::powi(4.0, -(row as i32 % 12)))).collect();
    [input, table, d]
}

/// Rows in another order, and the same ones once more: sums of reals would have other bits.
#[test]
fn the_order_of_additions_changes_no_bit() {
    const ROWS: usize = 3000;
    let sizes = sizes([6, 2], 8, [2, 60]);
    let grid = Grid::new(sizes, 2);
    let mut gpu = grid.gpu(ROWS);
    let [input, table, d] = crowded(sizes, ROWS);
    let [_, first, _] = grid.on_gpu(&mut gpu, [&input, &table, &d], ROWS);
    let turned = |values: &[f64], columns: usize| -> Vec<f64> {
        // 7 and 3000 have no divisor in common, so this is each row once.
        let rows = (0..ROWS).map(|row| row * 7 % ROWS * columns);
        rows.flat_map(|first| values[first..first + columns].to_vec()).collect()
    };
    let (other_input, other_d) = (turned(&input, 2), turned(&d, sizes.outputs()));
    assert!(other_input != input);
    for _ in 0..3 {
        let [_, again, _] = grid.on_gpu(&mut gpu, [&input, &table, &d], ROWS);
        assert!(again == first, "the same rows gave other bits");
        let [_, turned, _] = grid.on_gpu(&mut gpu, [&other_input, &table, &other_d], ROWS);
        assert!(turned == first, "the order of the rows shows in the sums");
    }
    let [_, exact, _] = grid.on_cpu([&input, &table, &d], ROWS);
    let largest = exact.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
    let error = |(x, y): (&f64, &f64)| (x - y).abs();
    let worst = first.iter().zip(&exact).map(error).fold(0.0, f64::max);
    // Positions are scaled by up to 60 in f32, which moves shares by 60 ULP.
    assert!(worst > 0.0 && worst < 1e-5 * largest, "{worst:e} of {largest}");
}

/// Where one gradient is no number, nothing is added up, and the next step is not disturbed.
#[test]
fn a_gradient_that_is_no_number_shows_in_the_whole_table() {
    const ROWS: usize = 40;
    let sizes = sizes([3, 2], 6, [2, 20]);
    let grid = Grid::new(sizes, 2);
    let mut gpu = grid.gpu(ROWS);
    let [input, table, d] = crowded(sizes, ROWS);
    let [_, before, _] = grid.on_gpu(&mut gpu, [&input, &table, &d], ROWS);
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut broken = d.clone();
        broken[sizes.outputs() * 33 + 3] = bad;
        let [_, on_gpu, _] = grid.on_gpu(&mut gpu, [&input, &table, &broken], ROWS);
        let [_, on_cpu, _] = grid.on_cpu([&input, &table, &broken], ROWS);
        assert!(on_gpu.iter().chain(&on_cpu).all(|x| x.is_nan()), "{bad} is hidden");
        let [_, after, _] = grid.on_gpu(&mut gpu, [&input, &table, &d], ROWS);
        assert!(after == before, "{bad} is still there");
    }
    // A position that is none makes all features of its row so.
    let mut broken = input.clone();
    broken[7] = f64::NAN;
    let [on_gpu, ..] = grid.on_gpu(&mut gpu, [&broken, &table, &d], ROWS);
    let [on_cpu, ..] = grid.on_cpu([&broken, &table, &d], ROWS);
    for values in [on_gpu, on_cpu] {
        let is_nan = values.chunks(sizes.outputs()).map(|row| row.iter().all(|x| x.is_nan()));
        assert_eq!(
            is_nan.enumerate().filter(|(_, nan)| *nan).map(|(row, _)| row).collect::<Vec<_>>(),
            [3]
        );
        assert_eq!(values.iter().filter(|x| x.is_nan()).count(), sizes.outputs());
    }
}

/// Gradients so small or so large that a fixed unit would lose them.
#[test]
fn the_unit_of_sums_follows_the_largest_gradient() {
    const ROWS: usize = 500;
    let sizes = sizes([2, 2], 6, [2, 5]);
    let grid = Grid::new(sizes, 2);
    let mut gpu = grid.gpu(ROWS);
    let [input, table, d] = crowded(sizes, ROWS);
    let [_, expected, _] = grid.on_gpu(&mut gpu, [&input, &table, &d], ROWS);
    for power in [-90, -40, 40, 100] {
        let scale = f64::powi(2.0, power);
        let scaled: Vec<f64> = d.iter().map(|d| d * scale).collect();
        let [_, found, _] = grid.on_gpu(&mut gpu, [&input, &table, &scaled], ROWS);
        let found: Vec<f64> = found.into_iter().map(|x| x / scale).collect();
        assert!(found == expected, "2^{power}");
    }
    let zeros = vec![0.0; d.len()];
    let [_, found, _] = grid.on_gpu(&mut gpu, [&input, &table, &zeros], ROWS);
    assert!(found.iter().all(|&x| x == 0.0));
}

const SIDE: usize = 24;

/// A picture of `SIDE` by `SIDE` grey values with stripes that a small network cannot follow.
fn picture() -> Dataset {
    let place = |i: usize| [i % SIDE, i / SIDE].map(|x| (x as f32 + 0.5) / SIDE as f32);
    let places = (0..SIDE * SIDE).map(place);
    let grey = |[x, y]: [f32; 2]| {
        let stripes = (25.0 * x + 9.0 * y).sin() * (31.0 * y - 6.0 * x).cos();
        0.5 + 0.5 * stripes
    };
    let values = places.clone().map(grey).collect();
    let places = Features::F32(Arc::new(places.flatten().collect()));
    Dataset::new(places, &[2], Targets::values(values, 1)).unwrap()
}

fn grid() -> HashGrid {
    HashGrid::new().levels(6).log2_table_size(8).base_resolution(4).finest_resolution(24)
}

fn network(encoded: Sequential) -> Sequential {
    encoded.dense(16, Activation::Relu).dense(1, Activation::Linear)
}

fn adam() -> Adam {
    Adam { epsilon: 1e-10, ..Adam::new(0.01) }
}

fn model(encoded: Sequential, backend: impl Into<Backend>) -> Model {
    network(encoded).compile(adam(), Loss::MeanSquaredError, []).build(backend).unwrap()
}

/// The error after some epochs.
fn learned(network: Sequential, backend: impl Into<Backend>) -> f64 {
    let data = picture();
    let compiled = network.compile(adam(), Loss::MeanSquaredError, []);
    let mut model = compiled.build(backend).unwrap();
    model.fit(&data, Fit::new().batch_size(64).epochs(60)).unwrap();
    model.evaluate(&data, Evaluate::new()).unwrap().loss
}

/// The error begins at the picture's variance. Without an encoding a larger network does not get far below,
/// which is why there are encodings.
#[test]
fn a_picture_is_learned_with_an_encoding_and_not_without() {
    const VARIANCE: f64 = 1.0 / 16.0;
    let gpu = Gpu::new().unwrap_or_else(|error| panic!("{error}"));
    let large = |encoded: Sequential| {
        let hidden = encoded.dense(64, Activation::Relu).dense(64, Activation::Relu);
        hidden.dense(1, Activation::Linear)
    };
    let plain = learned(large(Sequential::new(2)), &Cpu::new());
    let waves = learned(large(Sequential::new(2).frequency_encoding(5)), &Cpu::new());
    let small = || network(Sequential::new(2).hash_grid(grid()));
    let grids = [learned(small(), &Cpu::new()), learned(small(), &gpu)];
    println!("plain {plain:.5}, waves {waves:.5}, hash grid {grids:.5?}");
    assert!(plain > VARIANCE / 2.0, "{plain}");
    assert!(waves < VARIANCE / 10.0, "{waves}");
    assert!(grids.iter().all(|&error| error < VARIANCE / 50.0), "{grids:?}");
}

#[test]
fn a_training_on_the_gpu_is_the_same_bits_each_time() {
    let gpu = Gpu::new().unwrap_or_else(|error| panic!("{error}"));
    let train = || {
        let mut model = model(Sequential::new(2).hash_grid(grid()), &gpu);
        model.fit(picture(), Fit::new().batch_size(192).epochs(3)).unwrap();
        model.weights().unwrap()
    };
    let first = train();
    assert!(train() == first && train() == first);
}

/// Batches that are large enough to be cut.
#[test]
fn a_training_on_the_cpu_is_the_same_bits_on_any_number_of_threads() {
    let train = |threads: usize| {
        let encoded = Sequential::new(2).hash_grid(grid()).dense(2, Activation::Sigmoid);
        let encoded = encoded.frequency_encoding(4).dense(2, Activation::Sigmoid).hash_grid(grid());
        let mut model = model(encoded, &Cpu::new().threads(threads));
        model.fit(picture(), Fit::new().batch_size(SIDE * SIDE).epochs(3)).unwrap();
        model.weights().unwrap()
    };
    let one = train(1);
    for threads in [2, 3, 8] {
        assert!(train(threads) == one, "{threads} threads");
    }
}

#[test]
fn the_gradients_of_parts_add_up_to_those_of_the_whole() {
    let data = picture();
    let indices: Vec<u32> = (0..(SIDE * SIDE) as u32).collect();
    let gradient = |rows: Option<usize>, backend: Backend| {
        let compiled = network(Sequential::new(2).hash_grid(grid()));
        let compiled = compiled.compile(adam(), Loss::MeanSquaredError, []);
        let compiled = match rows {
            Some(rows) => compiled.micro_batch_size(rows),
            None => compiled,
        };
        let mut model = compiled.build(backend).unwrap();
        model.train_on_batch(Batch { data: &data, indices: &indices }).unwrap();
        model.read_exactly("hash_grid_1.table.gradient").unwrap()
    };
    let gpu = Gpu::new().unwrap_or_else(|error| panic!("{error}"));
    let whole = gradient(None, Backend::CpuInF64);
    let largest = whole.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
    assert!(largest > 0.0);
    for rows in [1000, 100, 7] {
        assert_close(&gradient(Some(rows), Backend::CpuInF64), &whole, 1e-12 * largest);
        let on_gpu = gradient(Some(rows), Backend::from(&gpu));
        // Products and sums in f32, and positions that are scaled by up to 24.
        assert_close(&on_gpu, &whole, 1e-4 * largest);
        assert!(
            gradient(Some(rows), Backend::from(&gpu)) == on_gpu,
            "other bits in parts of {rows}"
        );
    }
}

#[test]
fn a_model_with_encodings_is_saved_and_loaded() {
    let mut graph = Functional::new();
    let place = graph.input("place", 3);
    let waves = graph.layer(place, FrequencyEncoding::new(3).with_input());
    let small = grid().features(4).table_initializer(Initializer::HeNormal);
    let features = graph.layer(place, small);
    let frozen = graph.layer(place, grid().levels(1).frozen());
    let both = graph.concatenate([waves, features, frozen]);
    let last = graph.dense(both, 2, Activation::Linear);
    graph.output("output", last);
    let objective = Objective::new(Loss::MeanSquaredError);
    let compiled = graph.compile(Adam::default(), [("output", objective)]);
    let mut model = compiled.build(&Cpu::new()).unwrap();
    let shapes = minibatch::model::tensors(model.program());
    let levels = |layer: HashGrid| {
        // (5, 6, 8, 12, 17, 25)^3 corners, of which at most 256 have an entry of their own.
        let entries = [125, 216, 256, 256, 256, 256];
        entries.into_iter().take(layer.levels).sum::<usize>()
    };
    let shape_of = |name: &str| shapes.iter().find(|(other, _)| other == name).unwrap().1.clone();
    assert_eq!(shape_of("hash_grid_1.table"), [levels(small), 4]);
    assert_eq!(shape_of("hash_grid_2.table"), [levels(grid().levels(1)), 2]);
    let bytes = model.save_bytes().unwrap();
    let mut loaded = Model::load_bytes(&bytes, &Cpu::new()).unwrap();
    assert!(loaded.weights().unwrap() == model.weights().unwrap());
    assert!(loaded.save_bytes().unwrap() == bytes);
}

#[test]
fn a_summary_counts_the_entries_of_all_levels() {
    let stack = Sequential::new(2).hash_grid(HashGrid::new().levels(2).log2_table_size(8));
    // 17² = 289 corners are more than 256 entries.
    let summary = stack.dense(1, Activation::Linear).summary();
    assert!(summary.contains("hash_grid_1 (HashGrid)  (None, 4)       1,024\n"), "{summary}");
    let waves = Sequential::new(3).frequency_encoding(4).summary();
    assert!(waves.contains("(FrequencyEncoding)  (None, 24)          0\n"), "{waves}");
}

/// The table begins as in the paper, and what nobody needs is not computed.
#[test]
fn gradients_are_computed_where_something_is_trained_with_them() {
    let ops = |stack: Sequential| -> Vec<&'static str> {
        let compiled = network(stack).compile(adam(), Loss::MeanSquaredError, []);
        lower(&compiled).unwrap().ops(Pass::Train).iter().map(Op::name).collect()
    };
    let has = |ops: &[&str], name: &str| ops.contains(&name);
    let first = ops(Sequential::new(2).hash_grid(grid()));
    assert!(has(&first, "hash_grid_scatter") && !has(&first, "hash_grid_backward_input"));
    let frozen = ops(Sequential::new(2).hash_grid(grid().frozen()));
    assert!(!has(&frozen, "hash_grid_scatter") && !has(&frozen, "largest_gradient"));
    let after = ops(Sequential::new(2).dense(2, Activation::Sigmoid).hash_grid(grid().frozen()));
    assert!(!has(&after, "hash_grid_scatter") && has(&after, "hash_grid_backward_input"));
    let waves = ops(Sequential::new(2).frequency_encoding(3));
    assert!(!has(&waves, "frequency_encoding_backward"));

    let mut model = model(Sequential::new(2).hash_grid(grid()), &Cpu::new());
    let table = model.read_exactly("hash_grid_1.table").unwrap();
    let (least, most) =
        (table.iter().copied().fold(1.0, f64::min), table.iter().copied().fold(-1.0, f64::max));
    assert!(
        (-1e-4..-0.9e-4).contains(&least) && (0.9e-4..=1e-4).contains(&most),
        "{least}, {most}"
    );
}

#[test]
fn a_layer_in_two_places_learns_from_both() {
    let mut graph = Functional::new();
    let [a, b] = ["a", "b"].map(|name| graph.input(name, 2));
    let first = graph.layer(a, grid());
    let second = graph.again(first, b);
    let both = graph.add([first, second]);
    let last = graph.dense(both, 1, Activation::Linear);
    graph.output("output", last);
    let compiled = graph.compile(adam(), [("output", Objective::new(Loss::MeanSquaredError))]);
    let data = picture();
    let (places, targets) = (0..SIDE * SIDE)
        .map(|i| {
            ([(i % SIDE) as f32 / SIDE as f32, (i / SIDE) as f32 / SIDE as f32], i as f32 / 576.0)
        })
        .unzip::<_, _, Vec<[f32; 2]>, Vec<f32>>();
    let features = |turned: bool| {
        let flat = places.iter().flat_map(|&[x, y]| if turned { [y, x] } else { [x, y] });
        Features::F32(Arc::new(flat.collect()))
    };
    let two: Vec<(&str, Features, &[usize])> =
        vec![("a", features(false), &[2]), ("b", features(true), &[2])];
    let named = Dataset::named(two, [("output", Targets::values(targets, 1))]).unwrap();
    let indices: Vec<u32> = (0..data.len() as u32).collect();
    let gradient = |backend: Backend| {
        let mut model = compiled.clone().build(backend).unwrap();
        model.train_on_batch(Batch { data: &named, indices: &indices }).unwrap();
        model.read_exactly("hash_grid_1.table.gradient").unwrap()
    };
    let gpu = Gpu::new().unwrap_or_else(|error| panic!("{error}"));
    let exact = gradient(Backend::CpuInF64);
    let largest = exact.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
    assert!(largest > 0.0);
    assert_close(&gradient(Backend::from(&gpu)), &exact, 1e-4 * largest);
}

#[test]
fn sizes_that_cannot_be_are_refused_with_their_numbers() {
    let refused = |stack: Sequential, expected: &str| {
        let compiled =
            stack.dense(1, Activation::Linear).compile(adam(), Loss::MeanSquaredError, []);
        match compiled.build(&Cpu::new()) {
            Err(error @ (Error::Argument { .. } | Error::Shape { .. })) => {
                assert!(error.to_string().contains(expected), "{error}, not {expected}");
            }
            other => panic!("{other:?} for {expected}"),
        }
    };
    let on_two = |layer: HashGrid| Sequential::new(2).hash_grid(layer);
    refused(on_two(grid().levels(0)), "levels: is 0; give 1 to 32");
    refused(on_two(grid().levels(33)), "is 33; give 1 to 32");
    refused(on_two(grid().features(3)), "give 1, 2, 4 or 8");
    refused(on_two(grid().features(16)), "is 16; give 1 to 8");
    refused(on_two(grid().log2_table_size(25)), "is 25; give 1 to 24");
    refused(on_two(grid().base_resolution(0)), "is 0; give 1");
    refused(on_two(grid().finest_resolution(3)), "is 3; give 4 to 16777216");
    refused(on_two(grid().levels(usize::MAX)), "too large");
    refused(Sequential::new(5).hash_grid(grid()), "has 5 values a sample; give 1 to 4");
    refused(Sequential::new(2).frequency_encoding(0), "are 0; give 1 to 32");
    refused(Sequential::new(2).frequency_encoding(33), "are 33; give 1 to 32");
    refused(Sequential::new(2).layer(FrequencyEncoding::new(usize::MAX)), "give 1 to 32");
}

#[test]
fn half_precision_learns_too() {
    let gpu = Gpu::new().unwrap_or_else(|error| panic!("{error}"));
    let on_gpu = gpu.has_halves().then(|| Backend::from(&gpu));
    for backend in std::iter::once(Backend::from(&Cpu::new())).chain(on_gpu) {
        let stack = Sequential::new(2).hash_grid(grid()).layer(Dense::new(16, Activation::Relu));
        let compiled =
            stack.dense(1, Activation::Linear).compile(adam(), Loss::MeanSquaredError, []);
        let mut model = compiled.precision(Precision::MixedFloat16).build(backend).unwrap();
        let program = model.program();
        let stored = |name: &str| program.buffer(program.find(name).unwrap()).reals;
        assert_eq!(stored("hash_grid_1.output"), Reals::Half);
        assert_eq!(stored("hash_grid_1.table"), Reals::Full);
        model.fit(picture(), Fit::new().batch_size(64).epochs(40)).unwrap();
        let error = model.evaluate(picture(), Evaluate::new()).unwrap().loss;
        assert!(error < 0.002, "{error}");
    }
}
