//! A first layer over sparse rows beside the same layer over the same rows with their zeros, on both
//! executors: `cargo bench --bench sparse [-- --batch-size N --inputs N --units N --values N --most N
//! --json]`.
//!
//! Both forms take turns in every round, so that other load meets both; times are medians over the
//! rounds, the ratio the median of each round's. Their results are compared first.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use minibatch::Gpu;
use minibatch::cpu::CpuExecutor;
use minibatch::gpu::{GpuExecutor, block_on};
use minibatch::operation::activation::Elementwise;
use minibatch::operation::{
    DenseBackwardWeights, DenseForward, SparseBackwardWeights, SparseForward,
};
use minibatch::program::{BufferId, Pass, Program, ProgramBuilder, Step};
use minibatch::random::{Random, Stream};
use minibatch::table::{Element, Role, Rows};

const ROUNDS: usize = 9;
/// Each measurement lasts about so long.
const SECONDS: f64 = 0.2;

#[derive(Clone, Copy)]
struct Sizes {
    rows: usize,
    inputs: usize,
    units: usize,
    /// Values in a sparse row.
    values: usize,
    /// Places for values in a row.
    most: usize,
}

/// A layer, its forward operation in one pass and its weight gradient in another, and its operands.
struct Layer {
    program: Arc<Program>,
    operands: Vec<(BufferId, Vec<f64>)>,
    output: BufferId,
    weight_gradient: BufferId,
    bias_gradient: BufferId,
}

const FORWARD: Pass = Pass::Predict;
const BACKWARD: Pass = Pass::Evaluate;

fn layers(sizes: Sizes) -> [Layer; 2] {
    let Sizes { rows, inputs, units, values, most } = sizes;
    let mut random = Random::new(0, Stream::Shuffle(0));
    let mut dense = vec![0.0; rows * inputs];
    let mut words = Vec::with_capacity(2 * rows * most);
    for row in 0..rows {
        let mut columns = BTreeSet::new();
        while columns.len() < values {
            columns.insert(random.below(inputs as u64) as usize);
        }
        let own: Vec<f32> = columns.iter().map(|_| random.range(0.0, 1.0) as f32).collect();
        for (column, value) in columns.iter().zip(&own) {
            dense[row * inputs + column] = f64::from(*value);
        }
        words.extend(columns.iter().map(|&column| column as f64));
        words.extend(vec![f64::from(Element::NO_COLUMN); most - values]);
        words.extend(own.iter().map(|value| f64::from(value.to_bits())));
        words.extend(vec![0.0; most - values]);
    }
    let numbers = |count: usize| -> Vec<f64> {
        (0..count).map(|_| f64::from(random.range(-1.0, 1.0) as f32)).collect()
    };
    let [weights, biases, gradients] = [inputs * units, units, rows * units].map(numbers);
    [(Element::Real, inputs, dense), (Element::Sparse { width: inputs }, 2 * most, words)].map(
        |(element, columns, samples)| {
            let mut builder = ProgramBuilder::new();
            let mut buffer = |name, role, element, rows, columns| {
                builder.buffer(name, role, element, rows, columns).expect("sizes are valid")
            };
            let input = buffer("input", Role::Input, element, Rows::Batch, columns);
            let (real, fixed) = (Element::Real, Rows::Fixed(inputs));
            let weight = buffer("weight", Role::Parameter, real, fixed, units);
            let bias = buffer("bias", Role::Parameter, real, Rows::One, units);
            let output = buffer("output", Role::Activation, real, Rows::Batch, units);
            let output_gradient = buffer("gradient", Role::Activation, real, Rows::Batch, units);
            let role = Role::ParameterGradient;
            let weight_gradient = buffer("weight_gradient", role, real, fixed, units);
            let bias_gradient = buffer("bias_gradient", role, real, Rows::One, units);
            let activation = Elementwise::Relu;
            let pushed = match element {
                Element::Sparse { .. } => builder
                    .push(FORWARD, SparseForward { input, weight, bias, output, activation })
                    .and_then(|()| {
                        let op = SparseBackwardWeights {
                            input,
                            output_gradient,
                            weight_gradient,
                            bias_gradient,
                        };
                        builder.push(BACKWARD, op)
                    }),
                _ => builder
                    .push(FORWARD, DenseForward { input, weight, bias, output, activation })
                    .and_then(|()| {
                        let op = DenseBackwardWeights {
                            input,
                            output_gradient,
                            weight_gradient,
                            bias_gradient,
                        };
                        builder.push(BACKWARD, op)
                    }),
            };
            pushed.expect("the operations fit");
            let operands = vec![
                (input, samples),
                (weight, weights.clone()),
                (bias, biases.clone()),
                (output_gradient, gradients.clone()),
            ];
            let program = Arc::new(builder.build());
            Layer { program, operands, output, weight_gradient, bias_gradient }
        },
    )
}

/// A layer on an executor.
enum Runner {
    Cpu(CpuExecutor<f32>, Layer),
    Gpu(Box<GpuExecutor>, Layer),
}

impl Runner {
    fn new(gpu: Option<&Gpu>, layer: Layer, rows: usize) -> Self {
        match gpu {
            None => {
                let mut cpu = CpuExecutor::new(Arc::clone(&layer.program));
                cpu.reserve(rows);
                for (id, values) in &layer.operands {
                    cpu.write(*id, values).expect("the values fit");
                }
                Runner::Cpu(cpu, layer)
            }
            Some(gpu) => block_on(async {
                let program = Arc::clone(&layer.program);
                let mut device = GpuExecutor::new(gpu, program).await.expect("it fits the device");
                device.reserve(rows).await.expect("it fits the device");
                for (id, values) in &layer.operands {
                    device.write(*id, values).await.expect("the values fit");
                }
                Runner::Gpu(Box::new(device), layer)
            }),
        }
    }

    /// Seconds for one of so many runs of `passes`, the last one waited for.
    fn time(&mut self, passes: &[Pass], runs: usize, rows: usize) -> f64 {
        let step = &Step::forward(rows);
        let start = Instant::now();
        match self {
            Runner::Cpu(cpu, layer) => {
                for _ in 0..runs {
                    for op in passes.iter().flat_map(|&pass| layer.program.ops(pass)) {
                        cpu.execute(op, step);
                    }
                }
            }
            Runner::Gpu(gpu, layer) => block_on(async {
                for _ in 0..runs {
                    for &pass in passes {
                        gpu.execute(pass, step).await.expect("it runs");
                    }
                }
                gpu.read(layer.bias_gradient, 0).await.expect("it is read");
            }),
        }
        start.elapsed().as_secs_f64() / runs as f64
    }

    fn results(&mut self, rows: usize) -> Vec<f64> {
        let step = &Step::forward(rows);
        let all = |layer: &Layer| [layer.output, layer.weight_gradient, layer.bias_gradient];
        match self {
            Runner::Cpu(cpu, layer) => {
                for op in [FORWARD, BACKWARD].iter().flat_map(|&pass| layer.program.ops(pass)) {
                    cpu.execute(op, step);
                }
                all(layer).into_iter().flat_map(|id| cpu.read(id, rows)).collect()
            }
            Runner::Gpu(gpu, layer) => block_on(async {
                let mut results = Vec::new();
                for pass in [FORWARD, BACKWARD] {
                    gpu.execute(pass, step).await.expect("it runs");
                }
                for id in all(layer) {
                    results.extend(gpu.read(id, rows).await.expect("it is read"));
                }
                results
            }),
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let size = |flag: &str, default: usize| {
        let value = arguments.iter().position(|argument| argument == flag).map(|i| i + 1);
        let given = value.and_then(|i| arguments.get(i)).map(|text| text.parse().expect(flag));
        given.unwrap_or(default)
    };
    let sizes = Sizes {
        rows: size("--batch-size", 128),
        inputs: size("--inputs", 20_000),
        units: size("--units", 64),
        values: size("--values", 35),
        most: size("--most", 256),
    };
    assert!(sizes.values <= sizes.most.min(sizes.inputs), "--values are more than fit in a row");
    let gpu = Gpu::new().unwrap_or_else(|error| panic!("{error}"));
    let load = || std::fs::read_to_string("/proc/loadavg").unwrap_or_else(|_| "unknown".into());
    let before = load();
    let mut results = Vec::new();
    for (executor, gpu) in [("CPU", None), ("GPU", Some(&gpu))] {
        let mut runners = layers(sizes).map(|layer| Runner::new(gpu, layer, sizes.rows));
        let [dense, sparse] = runners.each_mut().map(|runner| runner.results(sizes.rows));
        for (i, (dense, sparse)) in dense.iter().zip(&sparse).enumerate() {
            let error = (dense - sparse).abs();
            // Written so that NaN fails.
            assert!(error <= 1e-4, "{executor}: [{i}] is {sparse}, and {dense} with its zeros");
        }
        for (name, passes) in [
            ("forward", &[FORWARD][..]),
            ("weight gradient", &[BACKWARD]),
            ("both", &[FORWARD, BACKWARD]),
        ] {
            let runs = runners.each_mut().map(|runner| {
                let once = runner.time(passes, 3, sizes.rows);
                (SECONDS / once).clamp(1.0, 2_000.0) as usize
            });
            let rounds: Vec<[f64; 2]> = (0..ROUNDS)
                .map(|_| [0, 1].map(|i| runners[i].time(passes, runs[i], sizes.rows)))
                .collect();
            let of = |i: usize| median(rounds.iter().map(|round| round[i]).collect());
            let ratio = median(rounds.iter().map(|[dense, sparse]| dense / sparse).collect());
            results.push((executor, name, of(0), of(1), ratio));
        }
    }

    let Sizes { rows, inputs, units, values, most } = sizes;
    if arguments.iter().any(|argument| argument == "--json") {
        let rows_of = results.iter().map(|(executor, name, dense, sparse, ratio)| {
            serde_json::json!({
                "executor": executor, "what": name, "dense_us": dense * 1e6,
                "sparse_us": sparse * 1e6, "ratio": ratio,
            })
        });
        let report = serde_json::json!({
            "adapter": gpu.describe(), "batch_size": rows, "inputs": inputs, "units": units,
            "values_a_row": values, "places_a_row": most, "rounds": ROUNDS,
            "load_before": before.trim(), "load_after": load().trim(),
            "results": rows_of.collect::<Vec<_>>(),
        });
        println!("{report:#}");
        return;
    }
    println!(
        "{rows} samples, {inputs} inputs, {units} units; {values} values a row of {most} places"
    );
    println!("GPU: {}", gpu.describe());
    println!("median of {ROUNDS} rounds in turn; load average before: {}", before.trim());
    println!("{:<4} {:<16} {:>12} {:>12} {:>8}", "", "", "dense us", "sparse us", "ratio");
    for (executor, name, dense, sparse, ratio) in results {
        let (dense, sparse) = (dense * 1e6, sparse * 1e6);
        println!("{executor:<4} {name:<16} {dense:>12.1} {sparse:>12.1} {ratio:>7.1}x");
    }
}
