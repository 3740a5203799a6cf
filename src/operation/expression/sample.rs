//! An expression of one sample's values, and their sum.

use super::text::{FUNCTIONS, statements};
use super::{Map, RowSum};
use crate::operation::per_sample::{PerSample, SampleText, SampleWriter};
use crate::table::BufferId;

impl PerSample for Map {
    const TEXT: SampleText<Self> = SampleText::Elementwise(|op, writer| {
        let formula = writer.table().expression(op.expression).clone();
        let units = writer.columns(op.output);
        writer.each_quad(op.output, |writer| {
            let operand = |writer: &SampleWriter<'_>, id: BufferId| match writer.columns(id) == 1
                && units > 1
            {
                true => Ok(format!("vec4<f32>({}.x)", writer.value(id, 0)?)),
                false => writer.value(id, "quad"),
            };
            let operands: Result<Vec<String>, _> =
                op.operands().map(|id| operand(writer, id)).collect();
            let (lines, result) = statements(&formula, &operands?, &mut |function| {
                writer.call(&FUNCTIONS, "", function, "")
            });
            lines.iter().for_each(|line| writer.line(line));
            writer.store(op.output, "quad", &result)
        })
    });
}

impl PerSample for RowSum {
    const TEXT: SampleText<Self> = SampleText::Row(|op, writer| {
        writer.line("var sums = vec4<f32>(0.0);");
        writer.each_quad(op.input, |writer| {
            let x = writer.value(op.input, "quad")?;
            writer.line(format_args!("sums += {x};"));
            Ok(())
        })?;
        writer.line("let sum = (sums.x + sums.y) + (sums.z + sums.w);");
        writer.store(op.output, "0u", "vec4<f32>(sum, 0.0, 0.0, 0.0)")
    });
}
