//! Values of one sample side by side, and some of them.

use super::{Concatenate, Slice};
use crate::operation::per_sample::{PerSample, SampleText};

impl PerSample for Concatenate {
    const TEXT: SampleText<Self> = SampleText::Row(|op, writer| {
        let (before, all) = (writer.columns(op.first), writer.columns(op.output));
        writer.each_quad(op.output, |writer| {
            writer.line("var values = vec4<f32>(0.0);");
            writer.each_column(|writer| {
                let first = writer.component(op.first, "column")?;
                let second = writer.component(op.second, &format!("(column - {before}u)"))?;
                let head = format!("if column < {before}u");
                writer.block(head, |writer| {
                    writer.line(format_args!("values[i] = {first};"));
                    Ok(())
                })?;
                let head = format!("else if column < {all}u");
                writer.block(head, |writer| {
                    writer.line(format_args!("values[i] = {second};"));
                    Ok(())
                })
            })?;
            writer.store(op.output, "quad", "values")
        })
    });
}

impl PerSample for Slice {
    const TEXT: SampleText<Self> = SampleText::Row(|op, writer| {
        let (columns, offset) = (writer.columns(op.output), op.offset);
        writer.each_quad(op.output, |writer| {
            writer.line("var values = vec4<f32>(0.0);");
            writer.each_column(|writer| {
                let value = writer.component(op.input, &format!("(column + {offset}u)"))?;
                writer.block(format_args!("if column < {columns}u"), |writer| {
                    writer.line(format_args!("values[i] = {value};"));
                    Ok(())
                })
            })?;
            writer.store(op.output, "quad", "values")
        })
    });
}
