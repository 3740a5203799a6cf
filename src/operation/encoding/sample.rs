//! Encodings of one sample.

use std::borrow::Cow;
use std::fmt::Write;

use super::{
    FrequencyEncoding, FrequencyEncodingBackward, HashGrid, HashGridBackwardInput, HashGridCollect,
    HashGridScatter, LargestGradient,
};
use crate::operation::kernel::shader;
use crate::operation::per_sample::{PerSample, SampleText, without_sample_text};

without_sample_text!("it computes gradients":
    FrequencyEncodingBackward, HashGridBackwardInput, HashGridCollect, HashGridScatter,
    LargestGradient);

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

impl PerSample for HashGrid {
    const TEXT: SampleText<Self> = SampleText::Row(|op, writer| {
        let dimensions = writer.columns(op.input);
        let (features, units) = (op.sizes.features, writer.columns(op.output));
        let entries = writer.parameter(op.table, "place / 4u")?;
        // Its own constants, levels and table, so that a network may have several grids.
        let mut own = format!(
            "const DIMENSIONS: u32 = {dimensions}u;\nconst FEATURES: u32 = {features}u;\n\
             fn columns() -> u32 {{ return {units}u; }}\n\
             fn table_value(place: u32) -> f32 {{ return {entries}[place % 4u]; }}\n\
             fn level_of(number: u32) -> Level {{\n    switch number {{\n"
        );
        let levels = op.levels(dimensions);
        for (number, level) in levels.each().iter().enumerate() {
            let last = number + 1 == levels.each().len();
            let case = if last { "default".to_owned() } else { format!("case {number}u") };
            // Writing to a String cannot fail.
            let _ = writeln!(
                own,
                "        {case}: {{ return Level({}u, {}u, {}u, {}u); }}",
                level.resolution, level.first, level.entries, level.is_hashed
            );
        }
        own.push_str("    }\n}\n");
        own.push_str(&shader!("encoding/function/hash_grid"));
        let pieces = [shader!("encoding/function/hash_grid_cell"), Cow::from(own)];
        let name = writer.unique("grid");
        let grid_features = writer.call(&pieces, &name, "grid_features", "");
        let position = writer.value(op.input, "0u")?;
        writer.each_quad(op.output, |writer| {
            writer.store(op.output, "quad", &format!("{grid_features}({position}, quad)"))
        })
    });
}
