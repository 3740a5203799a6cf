//! A diverged network must show itself: where the CPU's result is no number, that of the GPU is
//! none, and the other way round.

use minibatch::operation::{self, Op};
use std::sync::Arc;

use minibatch::cpu::CpuExecutor;
use minibatch::gpu::GpuExecutor;
use minibatch::number::expression::Formula;
use minibatch::operation::activation::Elementwise;
use minibatch::program::{BufferId, Element, Pass, ProgramBuilder, Role, Rows, Step};
use minibatch::{Expression, Gpu};

const ROWS: usize = 3;
const UNITS: usize = 6;

/// `op` on ones, but for one NaN in what `broken` names of the rows.
fn assert_shows(op: impl Fn(&mut ProgramBuilder, &dyn Fn(&str) -> BufferId) -> Op, broken: &str) {
    let mut builder = ProgramBuilder::new();
    let rows = ["input", "value", "output_gradient", "output", "input_gradient"];
    let vectors = ["mean", "variance", "gamma", "beta", "gamma_gradient", "beta_gradient"];
    let mut ids = Vec::new();
    for name in rows {
        ids.push((name, builder.activation(name, UNITS).unwrap()));
    }
    for name in vectors {
        let id = builder.buffer(name, Role::Scratch, Element::Real, Rows::One, UNITS);
        ids.push((name, id.unwrap()));
    }
    ids.push(("wide", builder.activation("wide", 2 * UNITS).unwrap()));
    ids.push(("moments", builder.activation("moments", 2).unwrap()));
    let loss = builder.buffer("loss", Role::Metric, Element::Real, Rows::Batch, 1);
    ids.push(("loss", loss.unwrap()));
    let named = |name: &str| ids.iter().find(|(other, _)| *other == name).unwrap().1;
    let op = op(&mut builder, &named);
    builder.push(Pass::Predict, op).unwrap();
    let program = Arc::new(builder.build());

    let mut cpu = CpuExecutor::<f64>::new(Arc::clone(&program));
    cpu.reserve(ROWS);
    let mut gpu =
        minibatch::gpu::block_on(GpuExecutor::new(&Gpu::new().unwrap(), Arc::clone(&program)))
            .unwrap();
    minibatch::gpu::block_on(gpu.reserve(ROWS)).unwrap();
    for id in op.reads() {
        let buffer = program.buffer(id);
        let count = buffer.live_rows(ROWS) * buffer.columns;
        let mut values: Vec<f64> = (0..count).map(|i| 0.5 + 0.25 * (i % 4) as f64).collect();
        if buffer.name == broken {
            values[UNITS + 1] = f64::NAN;
        }
        cpu.write(id, &values).unwrap();
        minibatch::gpu::block_on(gpu.write(id, &values)).unwrap();
    }
    let step = Step::forward(ROWS);
    cpu.execute(&op, &step);
    minibatch::gpu::block_on(gpu.execute(Pass::Predict, &step)).unwrap();
    for id in op.writes() {
        let is_nan = |values: Vec<f64>| values.iter().map(|x| x.is_nan()).collect::<Vec<_>>();
        let expected = is_nan(cpu.read(id, ROWS));
        let name = &program.buffer(id).name;
        assert!(expected.contains(&true), "{} hides a NaN from {name}", op.name());
        let actual = is_nan(minibatch::gpu::block_on(gpu.read(id, ROWS)).unwrap());
        assert_eq!(actual, expected, "{} of {}", name, op.name());
    }
}

#[test]
fn merges_and_noise_keep_a_nan() {
    let [a, b] = ["input", "value"];
    for broken in [a, b] {
        assert_shows(
            |_, id| Op::Add(operation::Add { first: id(a), second: id(b), output: id("output") }),
            broken,
        );
        assert_shows(
            |_, id| {
                Op::Concatenate(operation::Concatenate {
                    first: id(a),
                    second: id(b),
                    output: id("wide"),
                })
            },
            broken,
        );
    }
    assert_shows(
        |builder, id| {
            let output = builder.activation("part", 3).unwrap();
            Op::Slice(operation::Slice { input: id("input"), output, offset: 1 })
        },
        "input",
    );
    assert_shows(
        |_, id| {
            Op::GaussianNoise(operation::GaussianNoise {
                input: id("input"),
                output: id("output"),
                standard_deviation: 0.5,
                layer: 1,
            })
        },
        "input",
    );
}

#[test]
fn activations_keep_a_nan() {
    for &activation in Elementwise::ALL {
        assert_shows(
            |_, id| {
                let (input, output) = (id("input"), id("output"));
                Op::Activate(operation::Activate { input, output, activation })
            },
            "input",
        );
        assert_shows(
            |_, id| {
                Op::ActivateBackward(operation::ActivateBackward {
                    output_gradient: id("output_gradient"),
                    value: id("value"),
                    input_gradient: id("input_gradient"),
                    activation,
                })
            },
            "output_gradient",
        );
    }
}

#[test]
fn normalizations_keep_a_nan() {
    let (epsilon, gamma_offset) = (1e-3, 0.0);
    let activation = Elementwise::Linear;
    assert_shows(
        |_, id| {
            Op::BatchMoments(operation::BatchMoments {
                input: id("input"),
                mean: id("mean"),
                variance: id("variance"),
            })
        },
        "input",
    );
    assert_shows(
        |_, id| {
            Op::BatchNormalize(operation::BatchNormalize {
                input: id("input"),
                mean: id("mean"),
                variance: id("variance"),
                gamma: id("gamma"),
                beta: id("beta"),
                output: id("output"),
                epsilon,
                gamma_offset,
            })
        },
        "input",
    );
    assert_shows(
        |_, id| {
            Op::LayerNormalize(operation::LayerNormalize {
                input: id("input"),
                gamma: id("gamma"),
                beta: id("beta"),
                output: id("output"),
                moments: id("moments"),
                epsilon,
                gamma_offset,
            })
        },
        "input",
    );
    assert_shows(
        |_, id| {
            Op::BatchNormalizeBackward(operation::BatchNormalizeBackward {
                output_gradient: id("output_gradient"),
                input: id("input"),
                mean: id("mean"),
                variance: id("variance"),
                gamma_gradient: id("gamma_gradient"),
                beta_gradient: id("beta_gradient"),
                epsilon,
            })
        },
        "output_gradient",
    );
    assert_shows(
        |_, id| {
            Op::LayerNormalizeBackward(operation::LayerNormalizeBackward {
                output_gradient: id("output_gradient"),
                input: id("input"),
                moments: id("moments"),
                gamma_gradient: id("gamma_gradient"),
                beta_gradient: id("beta_gradient"),
            })
        },
        "output_gradient",
    );
    for broken in ["output_gradient", "input"] {
        assert_shows(
            |_, id| {
                Op::BatchNormalizeBackwardInput(operation::BatchNormalizeBackwardInput {
                    output_gradient: id("output_gradient"),
                    input: id("input"),
                    mean: id("mean"),
                    variance: id("variance"),
                    gamma: id("gamma"),
                    gamma_gradient: id("gamma_gradient"),
                    beta_gradient: id("beta_gradient"),
                    input_gradient: id("input_gradient"),
                    epsilon,
                    gamma_offset,
                    activation,
                })
            },
            broken,
        );
        assert_shows(
            |_, id| {
                Op::LayerNormalizeBackwardInput(operation::LayerNormalizeBackwardInput {
                    output_gradient: id("output_gradient"),
                    input: id("input"),
                    moments: id("moments"),
                    gamma: id("gamma"),
                    input_gradient: id("input_gradient"),
                    gamma_offset,
                    activation,
                })
            },
            broken,
        );
        assert_shows(
            |_, id| {
                Op::SoftmaxBackward(operation::SoftmaxBackward {
                    output_gradient: id("output_gradient"),
                    value: id("input"),
                    input_gradient: id("input_gradient"),
                })
            },
            broken,
        );
    }
}

#[test]
fn activity_penalties_keep_a_nan() {
    for [l1, l2] in [[0.5, 0.25], [0.5, 0.0], [0.0, 0.25]] {
        assert_shows(
            |_, id| {
                Op::ActivityPenalty(operation::ActivityPenalty {
                    value: id("value"),
                    loss: id("loss"),
                    l1,
                    l2,
                })
            },
            "value",
        );
        assert_shows(
            |_, id| {
                Op::ActivityPenaltyGradient(operation::ActivityPenaltyGradient {
                    value: id("value"),
                    input_gradient: id("input_gradient"),
                    loss_scale: None,
                    activation: Elementwise::Linear,
                    l1,
                    l2,
                })
            },
            "value",
        );
    }
}

/// What an expression is of a NaN or of numbers that it is not defined for, as a map of two operands.
#[test]
fn expressions_keep_a_nan_and_make_one_where_they_are_undefined() {
    let [x, y] = &Expression::operands();
    let one = || Expression::from(1.0);
    let functions = [
        x.abs(),
        x.sign(),
        x.min(y),
        y.min(x),
        x.max(y),
        y.max(x),
        x.if_positive(one(), one()),
        x.powf(1.5) + y,
        x.exp() + x.tanh() * x.sigmoid(),
        x.ln() - x.sqrt(),
        y / x,
    ];
    let map = |builder: &mut ProgramBuilder, id: &dyn Fn(&str) -> BufferId, of: &Expression| {
        let expression = builder.expression(Formula::new(of).unwrap());
        operation::Map::new(&[id("input"), id("value")], id("output"), expression).unwrap().into()
    };
    for function in functions {
        assert_shows(|builder, id| map(builder, id, &function), "input");
    }
    // The other numbers are between 0.5 and 1.25.
    let below = &(x - 1.0);
    for function in [below.ln(), below.sqrt(), below.powf(0.75), below.powf(-0.75)] {
        assert_shows(|builder, id| map(builder, id, &function), "nothing");
    }
}

#[test]
fn sums_over_a_row_keep_a_nan() {
    assert_shows(
        |builder, id| {
            let output = builder.activation("sum", 1).unwrap();
            operation::RowSum { input: id("input"), output }.into()
        },
        "input",
    );
}
