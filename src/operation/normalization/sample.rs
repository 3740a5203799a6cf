//! Normalization of one sample.

use super::{
    BatchMoments, BatchNormalize, BatchNormalizeBackward, BatchNormalizeBackwardInput,
    LayerNormalize, LayerNormalizeBackward, LayerNormalizeBackwardInput, MovingAverage,
};
use crate::operation::per_sample::{PerSample, SampleText, literal, without_sample_text};

without_sample_text!("it computes gradients":
    BatchNormalizeBackward, BatchNormalizeBackwardInput, LayerNormalizeBackward,
    LayerNormalizeBackwardInput);
without_sample_text!("it takes the statistics of a batch": BatchMoments, MovingAverage);

impl PerSample for BatchNormalize {
    const TEXT: SampleText<Self> = SampleText::Elementwise(|op, writer| {
        let (epsilon, offset) = (literal(op.epsilon), literal(op.gamma_offset));
        writer.each_quad(op.output, |writer| {
            let x = writer.value(op.input, "quad")?;
            let [mean, variance, gamma, beta] = [op.mean, op.variance, op.gamma, op.beta];
            let mean = writer.parameter(mean, "quad")?;
            let variance = writer.parameter(variance, "quad")?;
            let gamma = writer.parameter(gamma, "quad")?;
            let beta = writer.parameter(beta, "quad")?;
            writer.line(format_args!("let deviation = sqrt({variance} + {epsilon});"));
            writer.line(format_args!("let normalized = ({x} - {mean}) / deviation;"));
            let result = format!("normalized * ({gamma} + {offset}) + {beta}");
            writer.store(op.output, "quad", &result)
        })
    });
}

impl PerSample for LayerNormalize {
    // The moments are for gradients.
    const TEXT: SampleText<Self> = SampleText::Row(|op, writer| {
        let (epsilon, offset) = (literal(op.epsilon), literal(op.gamma_offset));
        let count = literal(writer.columns(op.input) as f64);
        let x = writer.value(op.input, "quad")?;
        writer.line("var sums = vec4<f32>(0.0);");
        writer.each_quad(op.input, |writer| {
            writer.line(format_args!("sums += {x};"));
            Ok(())
        })?;
        writer.line(format_args!("let mean = ((sums.x + sums.y) + (sums.z + sums.w)) / {count};"));
        writer.line("sums = vec4<f32>(0.0);");
        writer.each_quad(op.input, |writer| {
            let difference = writer.live_or(op.input, "quad", &format!("{x} - mean"), "0.0");
            writer.line(format_args!("let difference = {difference};"));
            writer.line("sums += difference * difference;");
            Ok(())
        })?;
        writer.line(format_args!(
            "let variance = ((sums.x + sums.y) + (sums.z + sums.w)) / {count};"
        ));
        writer.line(format_args!("let inverse = 1.0 / sqrt(variance + {epsilon});"));
        writer.each_quad(op.output, |writer| {
            let gamma = writer.parameter(op.gamma, "quad")?;
            let beta = writer.parameter(op.beta, "quad")?;
            let result = format!("({x} - mean) * inverse * ({gamma} + {offset}) + {beta}");
            writer.store(op.output, "quad", &result)
        })
    });
}
