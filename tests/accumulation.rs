//! The mean of the gradients of several batches, on both executors.

use minibatch::operation::{self, Op};
use std::sync::Arc;

use minibatch::Gpu;
use minibatch::cpu::CpuExecutor;
use minibatch::gpu::GpuExecutor;
use minibatch::program::{Element, Pass, ProgramBuilder, Role, Rows, Step};

#[test]
fn the_mean_of_four_batches_is_taken_and_the_next_four_begin_at_zero() {
    let mut builder = ProgramBuilder::new();
    let gradients = builder.arena("gradients").unwrap();
    let accumulated = builder.arena("accumulated").unwrap();
    let role = Role::ParameterGradient;
    let gradient = builder.slice(gradients, "gradient", role, Rows::Fixed(2), 3).unwrap();
    let sum = builder.slice(accumulated, "sum", role, Rows::Fixed(2), 3).unwrap();
    builder
        .push(Pass::Predict, Op::Accumulate(operation::Accumulate { gradients, accumulated }))
        .unwrap();
    builder
        .push(Pass::Train, Op::TakeMean(operation::TakeMean { accumulated, gradients, steps: 4 }))
        .unwrap();
    let program = Arc::new(builder.build());
    let mut cpu = CpuExecutor::<f32>::new(Arc::clone(&program));
    let gpu = Gpu::new().unwrap();
    let mut device = pollster::block_on(GpuExecutor::new(&gpu, Arc::clone(&program))).unwrap();
    let step = Step::forward(1);
    for round in [1.0, -3.0] {
        for batch in 0..4 {
            // 0 to 3 in each place, and the place: 1.5 + place is the mean.
            let values: Vec<f64> = (0..6).map(|place| round * f64::from(batch + place)).collect();
            cpu.write(gradient, &values).unwrap();
            pollster::block_on(device.write(gradient, &values)).unwrap();
            cpu.execute(&program.ops(Pass::Predict)[0], &step);
            pollster::block_on(device.execute(Pass::Predict, &step)).unwrap();
        }
        cpu.execute(&program.ops(Pass::Train)[0], &step);
        pollster::block_on(device.execute(Pass::Train, &step)).unwrap();
        let mean: Vec<f64> = (0..6).map(|place| round * (1.5 + f64::from(place))).collect();
        assert_eq!(cpu.read(gradient, 1), mean);
        assert_eq!(pollster::block_on(device.read(gradient, 1)).unwrap(), mean);
        assert_eq!(cpu.read(sum, 1), [0.0; 6]);
        assert_eq!(pollster::block_on(device.read(sum, 1)).unwrap(), [0.0; 6]);
    }
}

#[test]
fn gradients_that_are_not_of_one_model_and_a_mean_of_nothing_are_refused() {
    let mut builder = ProgramBuilder::new();
    let gradients = builder.arena("gradients").unwrap();
    let accumulated = builder.arena("accumulated").unwrap();
    builder.slice(gradients, "gradient", Role::ParameterGradient, Rows::Fixed(9), 8).unwrap();
    builder.slice(accumulated, "sum", Role::ParameterGradient, Rows::One, 8).unwrap();
    let scratch = builder.buffer("scratch", Role::Scratch, Element::Real, Rows::One, 128).unwrap();
    let [rows, other_rows] = ["rows", "other"].map(|name| builder.activation(name, 8).unwrap());
    for (op, reason) in [
        (
            Op::Accumulate(operation::Accumulate { gradients, accumulated: scratch }),
            "scratch in accumulate: got the role Scratch",
        ),
        (
            Op::Accumulate(operation::Accumulate { gradients: rows, accumulated: other_rows }),
            "rows in accumulate: got [Batch, 8]",
        ),
        (
            Op::Accumulate(operation::Accumulate { gradients, accumulated }),
            "accumulated in accumulate: got Real [One, 64]",
        ),
        (
            Op::Accumulate(operation::Accumulate { gradients, accumulated: gradients }),
            "reads and writes gradients",
        ),
        (
            Op::TakeMean(operation::TakeMean { accumulated, gradients, steps: 2 }),
            "accumulated in take_mean",
        ),
        (
            Op::TakeMean(operation::TakeMean { accumulated, gradients, steps: 0 }),
            "steps: are 0; give at least 1",
        ),
    ] {
        let error = builder.push(Pass::Train, op).unwrap_err().to_string();
        assert!(error.contains(reason), "{op:?}: {error}");
    }
}
