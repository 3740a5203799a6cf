//! Values of one sample side by side, and some of them.

use super::{Concatenate, Slice};
use crate::error::Result;
use crate::operation::per_sample::{PerSample, SampleText, SampleWriter};
use crate::table::BufferId;

impl PerSample for Concatenate {
    const TEXT: SampleText<Self> = SampleText::Row(|op, writer| {
        let (before, all) = (writer.columns(op.first), writer.columns(op.output));
        writer.each_quad(op.output, |writer| {
            writer.line("var values = vec4<f32>(0.0);");
            each_column(writer, |writer| {
                let first = component(writer, op.first, "column")?;
                let second = component(writer, op.second, &format!("(column - {before}u)"))?;
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
            each_column(writer, |writer| {
                let value = component(writer, op.input, &format!("(column + {offset}u)"))?;
                writer.block(format_args!("if column < {columns}u"), |writer| {
                    writer.line(format_args!("values[i] = {value};"));
                    Ok(())
                })
            })?;
            writer.store(op.output, "quad", "values")
        })
    });
}

/// `statements` for each of the four columns of `quad`.
fn each_column(
    writer: &mut SampleWriter<'_>,
    statements: impl FnOnce(&mut SampleWriter<'_>) -> Result<()>,
) -> Result<()> {
    writer.block("for (var i = 0u; i < 4u; i += 1u)", |writer| {
        writer.line("let column = 4u * quad + i;");
        statements(writer)
    })
}

/// The value of `id` in one column.
fn component(writer: &SampleWriter<'_>, id: BufferId, column: &str) -> Result<String> {
    Ok(format!("{}[{column} % 4u]", writer.value(id, format_args!("{column} / 4u"))?))
}
