//! A network as a WGSL function of one sample, from the operations of a prediction.

use std::fmt::Write;

use super::builder::Program;
use super::pass::Pass;
use crate::error::{Error, Result};
use crate::operation::{InSample, Op, SampleWriter, in_sample, words, write_sample};
use crate::table::{BufferId, Element, Role};

/// How a network's WGSL function is called and where its parameters are bound.
///
/// ```
/// use minibatch::NetworkWgsl;
///
/// let settings = NetworkWgsl::new().name("height").group(1).first_binding(4);
/// # let _ = settings;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkWgsl {
    name: String,
    group: u32,
    first_binding: u32,
}

impl Default for NetworkWgsl {
    fn default() -> Self {
        Self::new()
    }
}

impl NetworkWgsl {
    /// The most inputs of a network that can be such a function: each invocation holds all of them.
    pub const MOST_INPUTS: usize = 256;

    /// Bytes that the arrays of the function take at most: what
    /// [WGSL](https://www.w3.org/TR/WGSL/#limits) lets the variables of one function take.
    pub const MOST_BYTES: usize = 8192;

    /// A function called `network`, whose parameters are bound in group 0, from binding 0 on.
    #[must_use]
    pub fn new() -> Self {
        NetworkWgsl { name: "network".into(), group: 0, first_binding: 0 }
    }

    /// Calls the function so. All names that it declares begin with this one and an underscore, so two
    /// networks fit one shader if neither's name begins with the other's.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Binds the parameters in this group.
    #[must_use]
    pub fn group(mut self, group: u32) -> Self {
        self.group = group;
        self
    }

    /// Binds the parameters from this binding on, at most two of them.
    #[must_use]
    pub fn first_binding(mut self, binding: u32) -> Self {
        self.first_binding = binding;
        self
    }

    /// The group of the parameters.
    pub(crate) fn in_group(&self) -> u32 {
        self.group
    }

    fn check(&self) -> Result<()> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let begins = self.name.starts_with(|c: char| c.is_ascii_alphabetic());
        if begins && self.name.chars().all(is_part) {
            return Ok(());
        }
        let problem = format!(
            "is {:?}; give a letter of ASCII, and letters, digits and underscores after it",
            self.name
        );
        Err(Error::argument("name", problem))
    }
}

/// The text of a network's function, and what it reads.
#[derive(Debug)]
pub(crate) struct NetworkText {
    /// The whole text: bindings, what the function calls, and the function.
    pub text: String,
    /// Number and buffer of each binding.
    pub bindings: Vec<(u32, BufferId)>,
    /// Values that it takes.
    pub inputs: usize,
    /// Values that it returns.
    pub outputs: usize,
}

/// The network of `program` as a function of one sample.
///
/// # Errors
/// [`Error::Argument`] if the network has several inputs or outputs, has too many inputs or too wide
/// layers, or holds an operation that has no text for one sample.
pub(crate) fn network_text(program: &Program, settings: &NetworkWgsl) -> Result<NetworkText> {
    settings.check()?;
    let (input, output) = ends(program)?;
    let ops = program.ops(Pass::Predict);
    for op in ops {
        if let InSample::None(why) = in_sample(op) {
            let name = op.writes().first().map_or("", |&id| &program.buffer(id).name);
            return Err(refused(&format!(
                "cannot have {} ({name}) in a function of one sample: {why}",
                op.name()
            )));
        }
    }
    let (inputs, outputs) = (program.buffer(input).columns, program.buffer(output).columns);
    if inputs > NetworkWgsl::MOST_INPUTS {
        let (name, most) = (&program.buffer(input).name, NetworkWgsl::MOST_INPUTS);
        let problem = format!(
            "takes {inputs} values of {name}; a function of one sample holds them all, and takes at \
             most {most}"
        );
        return Err(refused(&problem));
    }
    let plan = Arrays::plan(program, ops, input, output)?;
    let name = settings.name.as_str();
    let mut writer = SampleWriter::new(program.table(), name);
    writer.hold(input, plan.array(plan.of_input));
    for (number, quad) in quads(inputs, "x").iter().enumerate() {
        let place = writer.value(input, format_args!("{number}u"))?;
        writer.line(format_args!("{place} = {quad};"));
    }
    for (op, places) in ops.iter().zip(&plan.of_ops) {
        writer.line(format_args!("// {}", described(program, op)));
        writer.block("", |writer| {
            // An operand keeps its name until the result has taken its place.
            places.iter().for_each(|&(id, place)| writer.hold(id, plan.array(place)));
            write_sample(op, writer)
        })?;
    }
    let results: Result<Vec<String>> = (0..outputs)
        .map(|column| {
            let component = ["x", "y", "z", "w"].get(column % 4).copied().unwrap_or_default();
            Ok(format!("{}.{component}", writer.value(output, format_args!("{}u", column / 4))?))
        })
        .collect();
    writer.line(format_args!("return array<f32, {outputs}>({});", results?.join(", ")));

    let bindings: Vec<(u32, BufferId)> =
        (settings.first_binding..).zip(writer.arenas().iter().copied()).collect();
    let mut text = String::new();
    // Writing to a String cannot fail.
    for &(binding, arena) in &bindings {
        let (group, arena) = (settings.group, writer.arena_name(arena));
        let _ = writeln!(
            text,
            "@group({group}) @binding({binding}) var<storage, read> {arena}: array<vec4<f32>>;"
        );
    }
    let (called, statements) = writer.finish();
    let _ = writeln!(
        text,
        "\n{called}\n\nfn {name}(x: array<f32, {inputs}>) -> array<f32, {outputs}> {{"
    );
    for (number, quads) in plan.quads.iter().enumerate() {
        let _ = writeln!(text, "    var {}: array<vec4<f32>, {quads}>;", plan.array(number));
    }
    let _ = writeln!(text, "{statements}}}");
    if words(&text).filter(|&word| word == name).count() > 1 {
        let problem = format!("is {name:?}, which the text of the function needs for itself");
        return Err(Error::argument("name", problem));
    }
    Ok(NetworkText { text, bindings, inputs, outputs })
}

/// The only input, and the only result.
fn ends(program: &Program) -> Result<(BufferId, BufferId)> {
    let inputs: Vec<_> = program.of_role(Role::Input).collect();
    let &[(input, described)] = &inputs[..] else {
        return Err(refused(&format!("has {} inputs; such a function takes one", inputs.len())));
    };
    match described.element {
        Element::Real | Element::U8 => {}
        Element::U32 | Element::Sparse { .. } => {
            return Err(refused(&format!(
                "takes {} as sparse rows, and a function of one sample takes all of its values",
                described.name
            )));
        }
    }
    match program.outputs() {
        &[(_, output)] => Ok((input, output)),
        outputs => {
            let names: Vec<&str> = outputs.iter().map(|(name, _)| name.as_str()).collect();
            let (count, names) = (names.len(), names.join(", "));
            Err(refused(&format!("has {count} outputs ({names}); such a function returns one")))
        }
    }
}

/// What an operation computes, for a comment.
fn described(program: &Program, op: &Op) -> String {
    let written = op.writes().first().map_or("", |&id| &program.buffer(id).name);
    format!("{written}: {}", op.name())
}

/// The constructors of the quads of an array of so many values.
fn quads(columns: usize, array: &str) -> Vec<String> {
    let value = |column: usize| match column < columns {
        true => format!("{array}[{column}]"),
        false => "0.0".to_owned(),
    };
    let quad = |first: usize| (first..first + 4).map(value).collect::<Vec<_>>().join(", ");
    (0..columns).step_by(4).map(|first| format!("vec4<f32>({})", quad(first))).collect()
}

fn refused(problem: &str) -> Error {
    Error::argument("network", problem.to_owned())
}

/// The local arrays of the function, and which values they hold: as few as there are values that live at
/// the same time.
struct Arrays {
    /// Elements of each array.
    quads: Vec<usize>,
    of_input: usize,
    /// Of each operation what it writes that is used, and the arrays that hold it.
    of_ops: Vec<Vec<(BufferId, usize)>>,
}

/// A value that an array holds, and the operation that uses it last; none if nothing does.
type Held = (BufferId, Option<usize>);

impl Arrays {
    fn array(&self, number: usize) -> String {
        format!("values_{number}")
    }

    /// # Errors
    /// [`Error::Argument`] if the arrays take more than [`NetworkWgsl::MOST_BYTES`].
    fn plan(program: &Program, ops: &[Op], input: BufferId, output: BufferId) -> Result<Self> {
        let width = |id: BufferId| program.buffer(id).columns.div_ceil(4);
        // The last operation from `from` on that reads what `id` holds then; as many as there are for
        // what is returned.
        let last_use = |id: BufferId, from: usize| {
            let mut last = None;
            for (number, op) in ops.iter().enumerate().skip(from) {
                if op.reads().contains(&id) {
                    last = Some(number);
                }
                if op.writes().contains(&id) {
                    return last;
                }
            }
            if id == output { Some(ops.len()) } else { last }
        };
        let mut arrays = Arrays { quads: vec![width(input)], of_input: 0, of_ops: Vec::new() };
        // Of each array the value that it holds, and its last use.
        let mut held = vec![(input, last_use(input, 0))];
        for (number, op) in ops.iter().enumerate() {
            let mut places = Vec::new();
            for id in op.writes() {
                let Some(last) = last_use(id, number + 1) else { continue };
                let ends_before = |&(_, last): &Held| last.is_none_or(|last| last < number);
                let in_place = |&(operand, last): &Held| {
                    in_sample(op) == InSample::Elementwise
                        && last == Some(number)
                        && program.buffer(operand).columns == program.buffer(id).columns
                };
                let taken = |place: &usize| places.iter().any(|(_, other)| other == place);
                let free: Vec<usize> = (0..held.len()).filter(|place| !taken(place)).collect();
                let fitting = |suits: &dyn Fn(&Held) -> bool| {
                    let suiting =
                        free.iter().copied().filter(|&place| held.get(place).is_some_and(suits));
                    // The one that need not grow, or grows least.
                    suiting.min_by_key(|&place| {
                        let quads = arrays.quads.get(place).copied().unwrap_or_default();
                        quads.abs_diff(width(id)) + if quads < width(id) { 1 << 30 } else { 0 }
                    })
                };
                let place = fitting(&in_place).or_else(|| fitting(&ends_before));
                let place = place.unwrap_or_else(|| {
                    arrays.quads.push(0);
                    held.push((id, None));
                    held.len() - 1
                });
                if let (Some(quads), Some(held)) =
                    (arrays.quads.get_mut(place), held.get_mut(place))
                {
                    *quads = (*quads).max(width(id));
                    *held = (id, Some(last));
                }
                places.push((id, place));
            }
            arrays.of_ops.push(places);
        }
        let bytes = arrays.quads.iter().sum::<usize>() * 16;
        if bytes > NetworkWgsl::MOST_BYTES {
            let widest = program.ops(Pass::Predict).iter().flat_map(Op::writes);
            let widest = widest.max_by_key(|&id| program.buffer(id).columns).unwrap_or(output);
            let (name, columns) = (&program.buffer(widest).name, program.buffer(widest).columns);
            return Err(refused(&format!(
                "would hold {bytes} bytes of values, {columns} of them in {name}; a function of WGSL has \
                 room for {}",
                NetworkWgsl::MOST_BYTES
            )));
        }
        Ok(arrays)
    }
}
