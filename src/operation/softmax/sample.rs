//! Softmax of one sample.

use super::{Softmax, SoftmaxBackward};
use crate::operation::per_sample::{PerSample, SampleText, without_sample_text};

without_sample_text!("it computes gradients": SoftmaxBackward);

impl PerSample for Softmax {
    // It takes the same three ways through the row as its kernel.
    const TEXT: SampleText<Self> = SampleText::Row(|op, writer| {
        let lowest = "-3.4028234e38";
        let x = writer.value(op.input, "quad")?;
        writer.line(format_args!("var most = vec4<f32>({lowest});"));
        writer.each_quad(op.input, |writer| {
            let live = writer.live_or(op.input, "quad", &x, lowest);
            writer.line(format_args!("most = max(most, {live});"));
            Ok(())
        })?;
        writer.line("let largest = max(max(most.x, most.y), max(most.z, most.w));");
        writer.line("var sums = vec4<f32>(0.0);");
        writer.each_quad(op.input, |writer| {
            let live = writer.live_or(op.input, "quad", &format!("exp({x} - largest)"), "0.0");
            writer.line(format_args!("sums += {live};"));
            Ok(())
        })?;
        writer.line("let sum = (sums.x + sums.y) + (sums.z + sums.w);");
        writer.each_quad(op.output, |writer| {
            writer.store(op.output, "quad", &format!("exp({x} - largest) / sum"))
        })
    });
}
