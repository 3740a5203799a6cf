//! The text of the kernels of a fused step that is made for a network.

use std::borrow::Cow;
// Text is written to memory here, which does not fail.
use std::fmt::Write as _;

use super::sizes::{LayerSizes, NOWHERE, Sizes};
use crate::operation::activation::Elementwise;
use crate::operation::kernel::Operand;

type Text = Cow<'static, str>;

/// `load_input`, with what a byte counts as a constant of the text: the kernels' uniforms are those of a
/// loss and of an update.
pub(super) fn operand(operand: &Operand) -> Text {
    let text = operand.text.replace("shape.scale", "BYTE_SCALE");
    format!("const BYTE_SCALE: f32 = {:?};\n{text}", operand.scale).into()
}

/// The constants of the rows kernel.
pub(super) fn constants(sizes: &Sizes) -> Text {
    let Sizes { threads, read, values, handover, .. } = sizes;
    format!(
        "const THREADS: u32 = {threads}u;\n\
         const INPUTS: u32 = {read}u;\n\
         const VALUES: u32 = {values}u;\n\
         const HANDOVER: u32 = {handover}u;\n\
         const NOWHERE: u32 = {NOWHERE}u;\n"
    )
    .into()
}

/// The activations of a chain: their texts, each under names of its own, and the functions that take the
/// number of one.
pub(super) fn activations(activations: &[Elementwise], present: &[Text]) -> Vec<Text> {
    let mut text: Vec<Text> = Vec::new();
    for (number, activation) in activations.iter().enumerate() {
        let mut pieces = activation.text();
        let own = pieces.pop().unwrap_or_default();
        for shared in pieces {
            if !present.contains(&shared) && !text.contains(&shared) {
                text.push(shared);
            }
        }
        let constant = activation.overrides().map_or(0.0, |(_, constant)| constant as f32);
        let own =
            own.replace("override CONSTANT: f32;", &format!("const CONSTANT: f32 = {constant:?};"));
        text.push(renamed(&own, number).into());
    }
    for (name, of) in [("activated", "activate"), ("derivative_of", "activation_derivative")] {
        let mut choice = format!("fn {name}(activation: u32, x: vec4<f32>) -> vec4<f32> {{\n");
        let last = activations.len().saturating_sub(1);
        for number in 0..last {
            let _ =
                writeln!(choice, "    if activation == {number}u {{ return {of}_{number}(x); }}");
        }
        let _ = writeln!(choice, "    return {of}_{last}(x);\n}}");
        text.push(choice.into());
    }
    text
}

/// `text` with `number` at the end of each name that it declares, so that others may declare the same.
fn renamed(text: &str, number: usize) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let declared: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("fn ").or_else(|| line.strip_prefix("const ")))
        .filter_map(|rest| rest.split(|c| !is_part(c)).next())
        .collect();
    let mut renamed = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let name = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let (word, others) = rest.split_at(name);
        renamed.push_str(word);
        if declared.contains(&word) {
            let _ = write!(renamed, "_{number}");
        }
        let next = others.find(is_part).unwrap_or(others.len());
        let (between, others) = others.split_at(next);
        renamed.push_str(between);
        rest = others;
    }
    renamed
}

/// The main function of the rows kernel: the layers forward, or what they have put out before; the loss;
/// the layers backward.
pub(super) fn rows_main(sizes: &Sizes) -> Text {
    let mut main = format!(
        "@compute @workgroup_size({})\n\
         fn main(\n    \
             @builtin(workgroup_id) id: vec3<u32>,\n    \
             @builtin(num_workgroups) groups: vec3<u32>,\n    \
             @builtin(local_invocation_index) local: u32,\n\
         ) {{\n    \
             let group = id.y * groups.x + id.x;\n",
        sizes.threads
    );
    for (number, layer) in sizes.layers.iter().enumerate() {
        let LayerSizes { inputs, units, live_units, weight, bias, .. } = layer;
        let LayerSizes { input_at, output_at, output_to, gradient_to, activation, .. } = layer;
        let _ = writeln!(
            main,
            "    let layer_{number} = Layer({inputs}u, {units}u, {live_units}u, {weight}u, {bias}u, \
             {input_at}u, {output_at}u, {output_to}u, {gradient_to}u, {activation}u);"
        );
        let (first, parts) = (number == 0, layer.forward_parts);
        let _ = if number < sizes.from.layers_before() {
            writeln!(main, "    take_outputs(layer_{number}, group, local);")
        } else {
            writeln!(main, "    forward(layer_{number}, {first}, {parts}u, group, local);")
        };
    }
    let last = sizes.layers.len().saturating_sub(1);
    let _ = writeln!(main, "    judge_rows(layer_{last}, group, local);");
    for (number, layer) in sizes.layers.iter().enumerate().skip(1).rev() {
        let (before, parts) = (number - 1, layer.backward_parts);
        let _ =
            writeln!(main, "    backward(layer_{number}, layer_{before}, {parts}u, group, local);");
    }
    main.push_str("}\n");
    main.into()
}

/// What the weights kernel is told of the network: constants, the buffer of rows at `binding`, and the
/// layer of a workgroup. `begins` are the numbers of the layers' first workgroups.
pub(super) fn layers(sizes: &Sizes, binding: usize, begins: &[u32]) -> Text {
    let inputs = sizes.layers.first().map_or(0, |layer| layer.inputs);
    let handover = sizes.handover;
    let mut text = format!(
        "const INPUTS: u32 = {inputs}u;\n\
         const HANDOVER: u32 = {handover}u;\n\
         const NOWHERE: u32 = {NOWHERE}u;\n\
         @group(0) @binding({binding}) var<storage, read> handover: array<Rows>;\n\n\
         fn layer_of(group: u32) -> Layer {{\n"
    );
    let mut input_at = NOWHERE;
    let mut found = Vec::new();
    for (layer, begin) in sizes.layers.iter().zip(begins) {
        let LayerSizes { inputs, units, weight, bias, output_to, gradient_to, .. } = layer;
        found.push(format!(
            "Layer({inputs}u, {units}u, {weight}u, {bias}u, {input_at}u, {gradient_to}u, {begin}u)"
        ));
        input_at = *output_to;
    }
    for (layer, begin) in found.iter().zip(begins).skip(1).rev() {
        let _ = writeln!(text, "    if group >= {begin}u {{ return {layer}; }}");
    }
    let first = found.first().map_or("", String::as_str);
    let _ = writeln!(text, "    return {first};\n}}");
    text.into()
}
