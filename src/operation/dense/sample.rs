//! A dense layer of one sample.

use super::{DenseBackwardInput, DenseBackwardWeights, DenseForward};
use crate::error::Result;
use crate::operation::per_sample::{PerSample, SampleText, SampleWriter, without_sample_text};

without_sample_text!("it computes gradients": DenseBackwardInput, DenseBackwardWeights);

impl PerSample for DenseForward {
    const TEXT: SampleText<Self> = SampleText::Row(|op, writer| {
        let inputs = writer.columns(op.input);
        let activate = writer.activation(op.activation);
        writer.each_quad(op.output, |writer| {
            let bias = writer.parameter(op.bias, "quad")?;
            writer.line(format_args!("var sum = {bias};"));
            if inputs >= 4 {
                let head = format!("for (var row = 0u; row < {}u; row += 1u)", inputs / 4);
                writer.block(head, |writer| products(op, writer, "row", 4))?;
            }
            if !inputs.is_multiple_of(4) {
                let last = format!("{}u", inputs / 4);
                writer.block("", |writer| products(op, writer, &last, inputs % 4))?;
            }
            writer.store(op.output, "quad", &format!("{activate}(sum)"))
        })
    });
}

/// Adds the products of the first `lanes` of the four inputs at `row`.
fn products(
    op: &DenseForward,
    writer: &mut SampleWriter<'_>,
    row: &str,
    lanes: usize,
) -> Result<()> {
    let width = writer.quads(op.output);
    let x = writer.value(op.input, row)?;
    writer.line(format_args!("let x = {x};"));
    for (lane, name) in ["x", "y", "z", "w"].into_iter().enumerate().take(lanes) {
        let weight = writer
            .parameter(op.weight, format_args!("(4u * {row} + {lane}u) * {width}u + quad"))?;
        writer.line(format_args!("sum += x.{name} * {weight};"));
    }
    Ok(())
}
