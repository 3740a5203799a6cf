//! Encodings of one sample.

use super::{FrequencyEncoding, FrequencyEncodingBackward};
use crate::operation::kernel::shader;
use crate::operation::per_sample::{PerSample, SampleText, without_sample_text};

without_sample_text!("it computes gradients": FrequencyEncodingBackward);

impl PerSample for FrequencyEncoding {
    const TEXT: SampleText<Self> = SampleText::Row(|op, writer| {
        let (all, waves) = (writer.columns(op.output), op.frequencies.waves());
        let first = op.frequencies.first(writer.columns(op.input));
        let wave = writer.call(&[shader!("encoding/function/frequency")], "", "wave", "");
        writer.each_quad(op.output, |writer| {
            writer.line("var values = vec4<f32>(0.0);");
            writer.each_column(|writer| {
                let input = writer.component(op.input, "column")?;
                writer.block(format_args!("if column < {first}u"), |writer| {
                    writer.line(format_args!("values[i] = {input};"));
                    Ok(())
                })?;
                writer.block(format_args!("else if column < {all}u"), |writer| {
                    writer.line(format_args!("let place = column - {first}u;"));
                    writer.line(format_args!("let coordinate = place / {waves}u;"));
                    let x = writer.component(op.input, "coordinate")?;
                    writer.line(format_args!("values[i] = {wave}({x}, place % {waves}u);"));
                    Ok(())
                })
            })?;
            writer.store(op.output, "quad", "values")
        })
    });
}
