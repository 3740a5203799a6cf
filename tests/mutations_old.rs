//! Proof that the parity suite can fail: each kernel, broken on purpose, is caught.

use std::sync::Arc;

use minibatch::gpu::KernelClass;
use minibatch::operation::{
    LossFunction as PointwiseLoss, MetricFunction as PointwiseMetric, Thresholds,
};
use minibatch::parity::{self, LossCase, MetricCase, Operation, Update};
use minibatch::{Elementwise, Gpu};

/// Replaces `from` by `to` wherever it stands in the kernel of `operation`, and demands that the
/// suite notices.
fn assert_caught(
    gpu: &Gpu,
    operation: Operation,
    class: KernelClass,
    what: &str,
    from: &'static str,
    to: &'static str,
) {
    let name = operation.name();
    let kernel_name = name.split(' ').next().unwrap_or_default().to_owned();
    let broken = gpu.clone().with_kernel_class(class).unwrap().with_shader_edit(Arc::new(
        move |kernel, source: String| {
            if kernel.name != kernel_name {
                return source;
            }
            assert!(source.contains(from), "{kernel:?} has no {from:?} to break");
            source.replace(from, to)
        },
    ));
    let verdict = pollster::block_on(parity::operation(&broken, &form(&name), &parity::shapes()))
        .unwrap_or_else(|error| panic!("{name}, {what}: the broken kernel does not run: {error}"));
    assert!(!verdict.passed(), "{name} ({class:?}) passed with {what}: {from:?} -> {to:?}");
}

fn gpu() -> Gpu {
    Gpu::new().unwrap_or_else(|error| panic!("{error}"))
}

use KernelClass::Tiled;

fn form(name: &str) -> parity::Form {
    parity::forms().into_iter().find(|form| form.name == name).unwrap()
}

#[test]
fn broken_elementwise_kernels_are_caught() {
    let gpu = gpu();
    let caught = |operation, what, from, to| {
        assert_caught(&gpu, operation, Tiled, what, from, to);
    };
    let softmax = Operation::Softmax;
    caught(softmax, "overflow", "exp(input[first + quad] - largest)", "exp(input[first + quad])");
    caught(softmax, "padding summed", "- largest), quad, 0.0)", "- largest), quad, 1.0)");
    caught(softmax, "rows beyond the live ones written", "row >= step.live_rows", "false");

    let cross_entropy = Operation::Loss(LossCase::SoftmaxCrossEntropy);
    for (what, from, to) in [
        ("overflow", "exp(logits[first + quad] - largest)", "exp(logits[first + quad])"),
        ("the last of several largest", "x[i] > largest", "x[i] >= largest"),
        ("right and wrong confused", "prediction == label)", "prediction != label)"),
        ("counts that are not added to", "before.x + select", "select"),
        ("a loss that is not added to", "loss[row] += row_loss", "loss[row] = row_loss"),
        ("a loss without its weight", "row_loss * sample_weight", "row_loss"),
        ("a gradient without its weight", "sample_weight * shape.scale", "shape.scale"),
        ("a gradient without the loss' weight", "* shape.scale *", "*"),
        ("the wrong logit", "[label % 4u]", "[0]"),
        ("no one-hot", "probability - one_hot", "probability"),
        ("no mean", "* step.inverse_rows", "* 1.0"),
        ("padding summed", "- largest), quad, 0.0)", "- largest), quad, 1.0)"),
        ("rows beyond the live ones written", "row >= step.live_rows", "false"),
        ("a finite loss called non-finite", "0x7f800000u", "0x00800000u"),
    ] {
        caught(cross_entropy, what, from, to);
    }
}

#[test]
fn broken_losses_are_caught() {
    let gpu = gpu();
    let shared = [
        ("a loss that is not added to", "loss[row] += row_loss", "loss[row] = row_loss"),
        ("a loss without its weight", "row_loss * sample_weight", "row_loss"),
        ("a gradient without its weight", "sample_weight * shape.scale", "shape.scale"),
        ("a gradient without the loss' weight", "* shape.scale *", "*"),
        ("no mean over the batch", "* step.inverse_rows", "* 1.0"),
        ("rows beyond the live ones written", "row >= step.live_rows", "false"),
        ("counts that are not added to", "before.x + select", "select"),
    ];
    let binary = PointwiseLoss::BinaryCrossentropy { label_smoothing: 0.125 };
    let of = |function, activation| LossCase::Pointwise(function, activation);
    let categorical = LossCase::CategoricalCrossEntropy;
    for (what, from, to) in shared {
        for case in [categorical, of(binary, Elementwise::Linear)] {
            assert_caught(&gpu, Operation::Loss(case), Tiled, what, from, to);
        }
    }
    let huber = PointwiseLoss::Huber { delta: 0.75 };
    for (case, what, from, to) in [
        (
            categorical,
            "overflow",
            "exp(logits[first + quad] - largest)",
            "exp(logits[first + quad])",
        ),
        (
            categorical,
            "no smoothing",
            "* (1.0 - shape.parameter) + shape.parameter / f32(shape.units)",
            "",
        ),
        (categorical, "the last of several largest", "x[i] > largest", "x[i] >= largest"),
        (categorical, "right and wrong confused", "prediction == label)", "prediction != label)"),
        (categorical, "targets taken as summing to 1", "probability * total", "probability"),
        (categorical, "padding summed", "quad, 0.0)", "quad, 1.0)"),
        (
            of(binary, Elementwise::Linear),
            "no smoothing",
            "* (1.0 - shape.parameter) + 0.5 * shape.parameter",
            "",
        ),
        (of(binary, Elementwise::Linear), "overflow", "exp(-abs(y))", "exp(y)"),
        (
            of(binary, Elementwise::Linear),
            "right and wrong confused",
            "predicted == expected",
            "predicted != expected",
        ),
        (of(binary, Elementwise::Linear), "no mean over the units", "/ f32(shape.units)", ""),
        (
            of(PointwiseLoss::MeanSquaredError, Elementwise::Linear),
            "half the slope",
            "2.0 * error",
            "error",
        ),
        (
            of(PointwiseLoss::MeanSquaredError, Elementwise::Tanh),
            "no derivative",
            "* activation_derivative(y)",
            "",
        ),
        (
            of(PointwiseLoss::MeanAbsoluteError, Elementwise::Linear),
            "no sign",
            "sign(error)",
            "error",
        ),
        (
            of(huber, Elementwise::Linear),
            "a slope without end",
            "clamp(error, -delta, delta)",
            "error",
        ),
        (
            of(huber, Elementwise::Linear),
            "a parabola without end",
            "select(linear, 0.5 * error * error, within)",
            "0.5 * error * error",
        ),
        (
            of(huber, Elementwise::Relu),
            "padding summed",
            "live_or(loss_of(y, expected), quad, 0.0)",
            "live_or(loss_of(y, expected), quad, 1.0)",
        ),
    ] {
        assert_caught(&gpu, Operation::Loss(case), Tiled, what, from, to);
    }
}

#[test]
fn broken_metrics_are_caught() {
    let gpu = gpu();
    let top = |k, weighted| MetricCase::TopK { k, weighted };
    let pointwise = |function, weighted| MetricCase::Pointwise { function, weighted };
    let binary = pointwise(PointwiseMetric::BinaryAccuracy { threshold: 0.3 }, true);
    let squared = pointwise(PointwiseMetric::SquaredError, true);
    let absolute = pointwise(PointwiseMetric::AbsoluteError, false);
    let histogram = |thresholds, weighted| MetricCase::BinaryHistogram { thresholds, weighted };
    let one = histogram(Thresholds::One(0.3), true);
    let even = histogram(Thresholds::Even(129), true);
    let confusion = MetricCase::ConfusionMatrix { weighted: true };
    for case in [MetricCase::Argmax, top(3, true), squared, one, even] {
        let (from, to) = ("row >= step.live_rows", "false");
        let what = "rows beyond the live ones written";
        assert_caught(&gpu, Operation::Metric(case), Tiled, what, from, to);
    }
    for case in [top(1, true), squared, one, even, confusion] {
        let (from, to) = ("shape.weighted == 1u", "false");
        assert_caught(&gpu, Operation::Metric(case), Tiled, "no weight", from, to);
    }
    for case in [
        top(3, false),
        absolute,
        histogram(Thresholds::Even(200), false),
        MetricCase::ConfusionMatrix { weighted: false },
    ] {
        let (from, to) = ("shape.weighted == 1u", "true");
        assert_caught(&gpu, Operation::Metric(case), Tiled, "always a weight", from, to);
    }
    for (case, what, from, to) in [
        (MetricCase::Argmax, "the last of several largest", "rank[i] > l", "rank[i] >= l"),
        (MetricCase::Argmax, "padding taken for a unit", "live & ", ""),
        (MetricCase::Argmax, "NaN above all", " & (magnitude <= vec4<u32>(EXPONENT))", ""),
        (MetricCase::Argmax, "no sign", "~bits, negative", "~bits, vec4<bool>(false)"),
        (MetricCase::Argmax, "the smallest of what is negative", "~bits", "magnitude"),
        (top(1, true), "ties in its favour", "shape.count == 1u", "false"),
        (top(3, true), "ties against it", "> vec4<u32>(own_rank)", ">= vec4<u32>(own_rank)"),
        (top(3, true), "one place more", "greater < shape.count", "greater <= shape.count"),
        (top(3, true), "the argmax", "shape.count == 1u", "true"),
        (top(3, true), "another label", "[label % 4u];\n    var", "[0];\n    var"),
        (top(3, true), "another rank", "ranks(row, label / 4u)[label % 4u]", "ranks(row, 0u)[0]"),
        (top(3, true), "what is no class a hit", "label == labels[row] &&", ""),
        (top(3, true), "an infinity a hit", " && !any_nonfinite(vec4<f32>(own))", ""),
        (top(3, true), "not added to", "sums[row] +=", "sums[row] ="),
        (top(3, true), "every row a hit", "select(0.0, weight, hit)", "weight"),
        (squared, "no square", "error * error", "error"),
        (squared, "no mean", "/ f32(shape.units)", ""),
        (squared, "not added to", "sums[row] +=", "sums[row] ="),
        (squared, "weights that are not summed", "mean * weight, weight", "mean * weight, 1.0"),
        (absolute, "no absolute value", "abs(error)", "error"),
        (absolute, "the last units left out", "quad < quads", "quad + 1u < quads"),
        (binary, "padding counted", "quad, 0.0)", "quad, 1.0)"),
        (binary, "above the threshold or on it", "prediction > v", "prediction >= v"),
        (binary, "right and wrong confused", "predicted == expected", "predicted != expected"),
        (one, "above the threshold or on it", "prediction > s", "prediction >= s"),
        (one, "NaN above the threshold", "return 0u;", "return 1u;"),
        (one, "only 1 taken for positive", "!= 0.0", "== 1.0"),
        (even, "the bucket above", "ceil(", "floor("),
        (even, "no first bucket", "- 1u;", "- 0u;"),
        (even, "not clamped", "clamp(prediction, 0.0, 1.0)", "abs(prediction)"),
        (even, "the last unit left out", "unit < shape.units", "unit + 1u < shape.units"),
        (
            even,
            "positive and negative confused",
            "select(0u, 1u, targets",
            "select(1u, 0u, targets",
        ),
        (even, "not added to", "+ positive] +=", "+ positive] ="),
        (
            confusion,
            "transposed",
            "label * shape.units + predicted[row]",
            "predicted[row] * shape.units + label",
        ),
        (confusion, "not added to", "+ predicted[row]] +=", "+ predicted[row]] ="),
        (
            confusion,
            "the last sample left out",
            "row < step.live_rows",
            "row + 1u < step.live_rows",
        ),
        (
            confusion,
            "samples beyond the live ones",
            "row < step.live_rows",
            "row < step.live_rows + 3u",
        ),
        (confusion, "what is no class in the next row", " && predicted[row] < shape.units", ""),
    ] {
        assert_caught(&gpu, Operation::Metric(case), Tiled, what, from, to);
    }
}

#[test]
fn broken_activations_and_dropouts_are_caught() {
    let gpu = gpu();
    use Elementwise::{Linear, Relu};
    for (operation, what, from, to) in [
        (Operation::Dropout, "other bits", "0x7feb352du", "0x7feb352fu"),
        (Operation::Dropout, "no layer", "+ layer)", ")"),
        (Operation::Dropout, "half the noise", "^ step.noise_1", ""),
        (Operation::Dropout, "no scale", "kept[i] = shape.scale", "kept[i] = 1.0"),
        (
            Operation::DropoutBackward(Relu),
            "no derivative",
            "activation_derivative(input[index]) * ",
            "",
        ),
        (
            Operation::DropoutBackward(Linear),
            "another mask",
            "quad * 4u + i)",
            "quad * 4u + i + 1u)",
        ),
    ] {
        assert_caught(&gpu, operation, Tiled, what, from, to);
    }
}

/// What every kernel over elements of the live rows has.
const ROWS_BEYOND: (&str, &str) =
    ("index >= step.live_rows * row_quads()", "index >= 2u * step.live_rows * row_quads()");

#[test]
fn broken_merges_and_slices_are_caught() {
    let gpu = gpu();
    use Operation::{Concatenate, Slice, SoftmaxBackward};
    for (operation, what, from, to) in [
        (
            Concatenate,
            "one column too many of the first",
            "column < shape.inputs",
            "column <= shape.inputs",
        ),
        (Concatenate, "padding that is not zero", "} else if (column < shape.units) {", "} else {"),
        (
            Concatenate,
            "the second from its second column on",
            "+ column - shape.inputs",
            "+ column - shape.inputs + 1u",
        ),
        (Concatenate, "rows that are not padded", "(columns + 3u) / 4u * 4u", "columns"),
        (
            Concatenate,
            "a row of the second that is one of the first",
            "second_row = row",
            "second_row = 0u * row",
        ),
        (Concatenate, "rows beyond the live ones written", ROWS_BEYOND.0, ROWS_BEYOND.1),
        (Slice, "no offset", "+ shape.offset", ""),
        (Slice, "one column too far", "+ shape.offset", "+ shape.offset + 1u"),
        (Slice, "padding that is not zero", "column < shape.units", "true"),
        (Slice, "rows beyond the live ones written", ROWS_BEYOND.0, ROWS_BEYOND.1),
        (
            SoftmaxBackward,
            "no sum",
            "(output_gradient[first + quad] - sum)",
            "output_gradient[first + quad]",
        ),
        (SoftmaxBackward, "not by the value", "= value[first + quad] * (", "= ("),
        (SoftmaxBackward, "a sum without the values", "* value[first + quad];", ";"),
        (
            SoftmaxBackward,
            "padding that is not zero",
            "live_or(gradient, quad, 0.0)",
            "gradient - sum",
        ),
        (SoftmaxBackward, "rows beyond the live ones written", "row >= step.live_rows", "false"),
    ] {
        assert_caught(&gpu, operation, Tiled, what, from, to);
    }
}

#[test]
fn broken_batch_normalization_is_caught() {
    let gpu = gpu();
    use Operation::{BatchMoments, BatchNormalize, BatchNormalizeBackward, MovingAverage};
    let linear = Operation::BatchNormalizeBackwardInput(Elementwise::Linear);
    let sigmoid = Operation::BatchNormalizeBackwardInput(Elementwise::Sigmoid);
    let shared = [
        ("the last row left out", "row < rows; row", "row + 1u < rows; row"),
        ("the first rows left out", "row = first_row(local)", "row = first_row(local) + LANES"),
        ("a lost half", "half >= 4u", "half > 4u"),
        (
            "rows beyond the live ones summed",
            "(0u, step.live_rows, quad",
            "(0u, step.live_rows + 1u, quad",
        ),
        ("the sums of another quad", "column_sums[local % 4u]", "column_sums[0]"),
        ("no barrier", "workgroupBarrier();", ""),
    ];
    for operation in [BatchMoments, BatchNormalizeBackward, Operation::LayerNormalizeBackward] {
        for (what, from, to) in shared {
            assert_caught(&gpu, operation, Tiled, what, from, to);
        }
    }
    for (operation, what, from, to) in [
        (
            BatchMoments,
            "squares before the mean is taken off",
            "column_sum(local, squares) / f32(step.live_rows)",
            "column_sum(local, squares + 2.0 * mean * sums) / f32(step.live_rows) - 2.0 * mean * mean",
        ),
        (BatchMoments, "no mean taken off", "quad] - mean", "quad]"),
        (BatchMoments, "a sum for a mean", "sums) / f32(step.live_rows)", "sums)"),
        (
            BatchMoments,
            "a sample's variance",
            "squares) / f32(step.live_rows)",
            "squares) / max(f32(step.live_rows) - 1.0, 1.0)",
        ),
        (BatchMoments, "no variance written", "variances[quad] = variance;", ""),
        (
            MovingAverage,
            "the shares swapped",
            "average[index] * constants.momentum",
            "average[index] * constants.one_minus_momentum",
        ),
        (
            MovingAverage,
            "the value added whole",
            "value[index] * constants.one_minus_momentum",
            "value[index]",
        ),
        (
            MovingAverage,
            "the last values left out",
            "constants.length / 4u",
            "(constants.length / 4u - 1u)",
        ),
        (BatchNormalize, "no mean taken off", "input[index] - mean[quad]", "input[index]"),
        (BatchNormalize, "no epsilon", "variance[quad] + shape.epsilon", "variance[quad]"),
        (
            BatchNormalize,
            "epsilon after the root",
            "sqrt(variance[quad] + shape.epsilon)",
            "(sqrt(variance[quad]) + shape.epsilon)",
        ),
        (BatchNormalize, "no offset", "gamma[quad] + shape.gamma_offset", "gamma[quad]"),
        (BatchNormalize, "no beta", "+ beta[quad]", ""),
        (BatchNormalize, "the moments of another unit", "index % row_quads()", "0u * index"),
        (BatchNormalize, "padding that is not zero", "quad, 0.0)", "quad, 1.0)"),
        (BatchNormalize, "rows beyond the live ones written", ROWS_BEYOND.0, ROWS_BEYOND.1),
        (BatchNormalizeBackward, "no epsilon", "variance[quad] + shape.epsilon", "variance[quad]"),
        (BatchNormalizeBackward, "no mean taken off", "input[index] - mean[quad]", "input[index]"),
        (
            BatchNormalizeBackward,
            "not by the deviation",
            "/ sqrt(variance[quad] + shape.epsilon)",
            "",
        ),
        (
            BatchNormalizeBackward,
            "padding of no number",
            "live_or(normalized, quad, 0.0)",
            "normalized",
        ),
        (
            BatchNormalizeBackward,
            "both gradients alike",
            "beta_gradient[quad] = beta_sum",
            "beta_gradient[quad] = gamma_sum",
        ),
        (linear, "no epsilon", "variance[quad] + shape.epsilon", "variance[quad]"),
        (linear, "no offset", "gamma[quad] + shape.gamma_offset", "gamma[quad]"),
        (linear, "the mean's part left out", "beta_gradient[quad] + normalized", "normalized"),
        (linear, "the variance's part left out", "+ normalized * gamma_gradient[quad]", ""),
        (linear, "not by the rows", "* step.inverse_rows", ""),
        (
            linear,
            "not by the deviation",
            "(gamma[quad] + shape.gamma_offset) / deviation",
            "(gamma[quad] + shape.gamma_offset)",
        ),
        (linear, "padding that is not zero", "quad, 0.0)", "quad, 1.0)"),
        (linear, "rows beyond the live ones written", ROWS_BEYOND.0, ROWS_BEYOND.1),
        (sigmoid, "no derivative", "* activation_derivative(x)", ""),
    ] {
        assert_caught(&gpu, operation, Tiled, what, from, to);
    }
}

#[test]
fn broken_layer_normalization_is_caught() {
    let gpu = gpu();
    use Operation::{LayerNormalize, LayerNormalizeBackward};
    let linear = Operation::LayerNormalizeBackwardInput(Elementwise::Linear);
    let sigmoid = Operation::LayerNormalizeBackwardInput(Elementwise::Sigmoid);
    for operation in [LayerNormalize, linear] {
        for (what, from, to) in [
            (
                "the last quad left out",
                "quad < quads; quad += LANES",
                "quad + 1u < quads; quad += LANES",
            ),
            ("a lost half", "half > 0u", "half > 1u"),
            ("the sums of another row", "row_sums[local - local % LANES]", "row_sums[0]"),
            ("rows beyond the live ones written", "row < step.live_rows", "row <= step.live_rows"),
            ("no barrier", "workgroupBarrier();", ""),
            ("padding that is not zero", "quad, 0.0);\n    }\n", "quad, 1.0);\n    }\n"),
        ] {
            assert_caught(&gpu, operation, Tiled, what, from, to);
        }
    }
    for (operation, what, from, to) in [
        (
            LayerNormalize,
            "padding summed",
            "live_or(input[first + quad] - mean, quad, 0.0)",
            "input[first + quad] - mean",
        ),
        (LayerNormalize, "no epsilon", "variance + shape.epsilon", "variance"),
        (LayerNormalize, "a sum for a mean", "sums) / f32(shape.units)", "sums)"),
        (
            LayerNormalize,
            "a sample's variance",
            "squares) / f32(shape.units)",
            "squares) / max(f32(shape.units) - 1.0, 1.0)",
        ),
        (LayerNormalize, "no offset", "gamma[quad] + shape.gamma_offset", "gamma[quad]"),
        (LayerNormalize, "no beta", "+ beta[quad]", ""),
        (
            LayerNormalize,
            "the deviation itself",
            "vec4<f32>(mean, inverse,",
            "vec4<f32>(mean, 1.0 / inverse,",
        ),
        (LayerNormalize, "padding of the moments", "inverse, 0.0, 0.0)", "inverse, 0.0, 1.0)"),
        (
            LayerNormalizeBackward,
            "no mean taken off",
            "input[index] - moments[row].x",
            "input[index]",
        ),
        (LayerNormalizeBackward, "not by the deviation", "* moments[row].y", ""),
        (LayerNormalizeBackward, "the moments of the first row", "moments[row]", "moments[0]"),
        (linear, "no mean of the gradient", "g - mean_g", "g"),
        (linear, "no mean of the product", "- (x - mean) * inverse * mean_product", ""),
        (
            linear,
            "a mean over the rows",
            "products) / f32(shape.units)",
            "products) * step.inverse_rows",
        ),
        (linear, "no offset", "gamma[quad] + shape.gamma_offset", "gamma[quad]"),
        (linear, "not by the deviation", "inverse * inner", "inner"),
        (sigmoid, "no derivative", "* activation_derivative(x)", ""),
    ] {
        assert_caught(&gpu, operation, Tiled, what, from, to);
    }
}

#[test]
fn broken_gaussian_noise_is_caught() {
    let gpu = gpu();
    for (what, from, to) in [
        ("other bits", "0x7feb352du", "0x7feb352fu"),
        ("no layer", "+ layer)", ")"),
        ("half the noise", "^ step.noise_1", ""),
        ("the noise of the next value", "index * 4u + i)", "index * 4u + i + 1u)"),
        ("another deviation", "shape.standard_deviation * z", "z"),
        ("noise alone", "input[index] + shape", "shape"),
        ("no root of 2", "1.41421356 * p", "p"),
        ("a uniform distribution", "p * x", "x"),
        ("the centre's polynomial in the tails", "w < 5.0", "true"),
        ("a tail without root", "sqrt(w) - 3.0", "w - 3.0"),
        ("a coarser polynomial", "-0.00125372503", "-0.00125"),
        ("a coarser polynomial of the tails", "0.00943887047", "0.00943"),
        ("padding that is not zero", "% row_quads(), 0.0)", "% row_quads(), 1.0)"),
        ("rows beyond the live ones written", ROWS_BEYOND.0, ROWS_BEYOND.1),
    ] {
        assert_caught(&gpu, Operation::GaussianNoise, Tiled, what, from, to);
    }
}

#[test]
fn broken_activity_penalties_are_caught() {
    let gpu = gpu();
    use Operation::ActivityPenalty;
    let linear = Operation::ActivityPenaltyGradient(Elementwise::Linear);
    let sigmoid = Operation::ActivityPenaltyGradient(Elementwise::Sigmoid);
    for (operation, what, from, to) in [
        (ActivityPenalty, "no absolute value", "abs(x)", "x"),
        (ActivityPenalty, "no square", "shape.l2 * x * x", "shape.l2 * x"),
        (linear, "not by the rows", "* step.inverse_rows", ""),
        (ActivityPenalty, "not added to", "loss[row] +=", "loss[row] ="),
        (ActivityPenalty, "a lost half", "half > 0u", "half > 1u"),
        (
            ActivityPenalty,
            "the last quad left out",
            "quad < quads; quad",
            "quad + 1u < quads; quad",
        ),
        // As they hold no number, adding to them would change nothing.
        (
            ActivityPenalty,
            "rows beyond the live ones written",
            "&& row < step.live_rows) {\n        loss[row] +=",
            ") {\n        loss[row] = select(0.0, loss[row], row < step.live_rows) +",
        ),
        (linear, "no sign", "sign(x)", "x"),
        (linear, "half the slope", "2.0 * shape.l2", "shape.l2"),
        (linear, "padding that is not zero", "% row_quads(), 0.0)", "% row_quads(), 1.0)"),
        (linear, "rows beyond the live ones written", ROWS_BEYOND.0, ROWS_BEYOND.1),
        (sigmoid, "no derivative", "* activation_derivative(x)", ""),
    ] {
        assert_caught(&gpu, operation, Tiled, what, from, to);
    }
}

#[test]
fn broken_penalties_are_caught() {
    let gpu = gpu();
    for (operation, what, from, to) in [
        (Operation::Penalty, "no absolute value", "abs(w)", "w"),
        (Operation::Penalty, "no square", "constants.l2 * w * w", "constants.l2 * w"),
        (Operation::Penalty, "a lost quarter", "half > 0u", "half > 1u"),
        (Operation::Penalty, "no barrier", "workgroupBarrier();", ""),
        (Operation::Penalty, "not added to", "penalty[count] +=", "penalty[count] ="),
        (Operation::Penalty, "always the first slot", "penalty[count] +=", "penalty[0] +="),
        (Operation::Penalty, "no counting on", "f32(count + 1u)", "f32(count)"),
        (Operation::Penalty, "not by the rows", "* f32(step.live_rows)", ""),
        (Operation::SquaredNorm, "no square", "gradient[i] * gradient[i]", "gradient[i]"),
        (Operation::SquaredNorm, "a lost quarter", "half > 0u", "half > 1u"),
        (Operation::SquaredNorm, "never the first", "constants.first == 1u", "false"),
        (Operation::SquaredNorm, "always the first", "constants.first == 1u", "true"),
        (Operation::ClipByNorm, "no root", "sqrt(squared_norm[0])", "squared_norm[0]"),
        (Operation::ClipByNorm, "always", "norm > constants.limit", "norm > 0.0"),
        (Operation::ClipByValue, "one side", "clamp(g, -limit, limit)", "min(g, limit)"),
        (Operation::PenaltyGradient, "no sign", "sign(w)", "w"),
        (Operation::PenaltyGradient, "half the slope", "2.0 * constants.l2", "constants.l2"),
        (Operation::PenaltyGradient, "not added to", "gradient[index] +=", "gradient[index] ="),
    ] {
        assert_caught(&gpu, operation, Tiled, what, from, to);
    }
}

#[test]
fn broken_accumulations_are_caught() {
    let gpu = gpu();
    let left_out = ("constants.length / 4u", "(constants.length / 4u - 16u)");
    for (operation, what, from, to) in [
        (Operation::Accumulate, "not added to", "+= gradients", "= gradients"),
        (Operation::Accumulate, "the last parameters left out", left_out.0, left_out.1),
        (Operation::TakeMean, "the sum", " / constants.steps", ""),
        (Operation::TakeMean, "a sum that stays", "= vec4<f32>(0.0)", "= gradients[index]"),
        (Operation::TakeMean, "the last parameters left out", left_out.0, left_out.1),
    ] {
        assert_caught(&gpu, operation, Tiled, what, from, to);
    }
}

#[test]
fn broken_updates_are_caught() {
    let gpu = gpu();
    let adam: &[(&str, &str, &str)] = &[
        ("no epsilon", "+ vec4<f32>(constants.epsilon)", "+ vec4<f32>(0.1 * constants.epsilon)"),
        (
            "the wrong decay",
            "(g * g - v_before) * constants.one_minus_beta_2",
            "(g * g - v_before) * constants.one_minus_beta_1",
        ),
        ("no square", "(g * g - v_before)", "(g - v_before)"),
        ("the wrong direction", "step.decay) - change", "step.decay) + change"),
        ("no weight decay", "w * step.decay", "w * 0.0"),
        ("no correction of the root", "* step.root_scale", ""),
        ("the moment of before", "step.step_size * m /", "step.step_size * m_before /"),
        ("the last parameters left out", "constants.length / 4u", "(constants.length / 4u - 16u)"),
    ];
    type Breaks<'a> = &'a [(&'a str, &'a str, &'a str)];
    let cases: [(Update, Breaks<'_>); 7] = [
        (Update::Adam, adam),
        (Update::AmsGrad, adam),
        (
            Update::AmsGrad,
            &[
                ("the second moment itself", "max(largest_moment_2[index], v)", "v"),
                (
                    "the smallest",
                    "max(largest_moment_2[index], v)",
                    "min(largest_moment_2[index], v)",
                ),
            ],
        ),
        (
            Update::Sgd { nesterov: false },
            &[
                (
                    "a velocity that is not damped",
                    "constants.momentum * velocity[index]",
                    "velocity[index]",
                ),
                ("Nesterov's step", "if (NESTEROV)", "if (true)"),
                ("the wrong direction", "- step_down;", "+ step_down;"),
                (
                    "the last parameters left out",
                    "constants.length / 4u",
                    "(constants.length / 4u - 16u)",
                ),
            ],
        ),
        (
            Update::Sgd { nesterov: true },
            &[
                ("the plain step", "if (NESTEROV)", "if (false)"),
                ("the velocity twice", "constants.momentum * after", "after"),
            ],
        ),
        (
            Update::RmsProp { centered: true },
            &[
                ("no square", "(g * g - square_before)", "(g - square_before)"),
                ("a mean that is not taken off", "square - mean * mean", "square"),
                ("a mean that stays", "mean_gradient[index] = mean;", ""),
                ("no momentum", "constants.momentum * velocity[index] +", ""),
                ("no epsilon", "variance + vec4<f32>(constants.epsilon)", "variance"),
                (
                    "the last parameters left out",
                    "constants.length / 4u",
                    "(constants.length / 4u - 16u)",
                ),
            ],
        ),
        (
            Update::Adagrad,
            &[
                ("no square", "+ g * g;", "+ g;"),
                ("a sum that stays", "accumulator[index] = sum;", ""),
                (
                    "no root",
                    "sqrt(sum + vec4<f32>(constants.epsilon))",
                    "(sum + vec4<f32>(constants.epsilon))",
                ),
                (
                    "the last parameters left out",
                    "constants.length / 4u",
                    "(constants.length / 4u - 16u)",
                ),
            ],
        ),
    ];
    for (update, breaks) in cases {
        for &(what, from, to) in breaks {
            assert_caught(&gpu, Operation::Update(update), Tiled, what, from, to);
        }
    }
}
