//! What an operation computes for one sample, as statements of a WGSL function whose values are local
//! arrays: how a network becomes a function of a host's own shader.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::{Display, Write};

use super::access::Buffers;
use super::activation::Elementwise;
use super::declarations::Declarations;
use crate::error::{Error, Result};
use crate::table::{BufferId, Placement, Table};

/// What stands for an operation in a function of one sample.
#[derive(Debug)]
pub enum SampleText<O> {
    /// Each four values of the result depend on the same four of the operands as wide as it, which it
    /// may take the place of.
    Elementwise(fn(&O, &mut SampleWriter<'_>) -> Result<()>),
    /// The result depends on all of the operands' values.
    Row(fn(&O, &mut SampleWriter<'_>) -> Result<()>),
    /// It has no place in such a function; the text says why.
    None(&'static str),
}

/// An operation's own text for one sample. Every operation of the list says what it is.
pub trait PerSample: Buffers + Sized {
    /// The text.
    const TEXT: SampleText<Self>;
}

/// Says of operations that they have no place in a function of one sample.
macro_rules! without_sample_text {
    ($why:literal: $($name:ident),+ $(,)?) => {
        $(impl $crate::operation::per_sample::PerSample for $name {
            const TEXT: $crate::operation::per_sample::SampleText<Self> =
                $crate::operation::per_sample::SampleText::None($why);
        })+
    };
}
pub(crate) use without_sample_text;

/// Writes the statements of a function of one sample.
///
/// A value is a local array of `vec4<f32>`, four columns each; those beyond its columns are zero. A
/// parameter lies in an arena on the device, bound as an array of `vec4<f32>`.
#[derive(Debug)]
pub struct SampleWriter<'a> {
    table: &'a Table,
    /// What the names of all that is declared outside of the function begin with.
    name: &'a str,
    /// The array that holds a value now.
    values: HashMap<BufferId, String>,
    arenas: Vec<BufferId>,
    declarations: Declarations,
    /// Of each activation that it calls what its declarations' names begin with.
    activations: Vec<(Elementwise, String)>,
    /// Names that were given out.
    given: usize,
    text: String,
    depth: usize,
}

impl<'a> SampleWriter<'a> {
    /// An empty function called `name`.
    pub fn new(table: &'a Table, name: &'a str) -> Self {
        SampleWriter {
            table,
            name,
            values: HashMap::new(),
            arenas: Vec::new(),
            declarations: Declarations::default(),
            activations: Vec::new(),
            given: 0,
            text: String::new(),
            depth: 1,
        }
    }

    /// Says which array holds the value of `id` from now on.
    pub fn hold(&mut self, id: BufferId, array: String) {
        self.values.insert(id, array);
    }

    /// The buffers of the program.
    pub fn table(&self) -> &'a Table {
        self.table
    }

    /// Values in a row of `id`.
    pub fn columns(&self, id: BufferId) -> usize {
        self.table.columns(id)
    }

    /// Elements of the array that holds `id`.
    pub fn quads(&self, id: BufferId) -> usize {
        self.table.columns(id).div_ceil(4)
    }

    /// The four values of `id` at `quad`.
    ///
    /// # Errors
    /// [`Error::Argument`] if no operation before has computed it.
    pub fn value(&self, id: BufferId, quad: impl Display) -> Result<String> {
        match self.values.get(&id) {
            Some(array) => Ok(format!("{array}[{quad}]")),
            None => Err(self.refused(id, "is computed by no operation of a prediction")),
        }
    }

    /// The value of `id` in one column.
    ///
    /// # Errors
    /// As [`value`](Self::value).
    pub fn component(&self, id: BufferId, column: &str) -> Result<String> {
        Ok(format!("{}[{column} % 4u]", self.value(id, format_args!("{column} / 4u"))?))
    }

    /// Elements `at` to `at + 3` of the parameter `id`, counted with the padding of its rows; `at` counts
    /// fours.
    ///
    /// # Errors
    /// [`Error::Argument`] if it lies in no arena.
    pub fn parameter(&mut self, id: BufferId, at: impl Display) -> Result<String> {
        let Placement::Slice { arena, offset } = self.table.buffer(id).placement else {
            return Err(self.refused(id, "lies in no arena"));
        };
        if !self.arenas.contains(&arena) {
            self.arenas.push(arena);
        }
        Ok(format!("{}[{}u + {at}]", self.arena_name(arena), offset / 4))
    }

    /// Stores four values of `id` at `quad`, zeros in the place of those beyond its columns.
    ///
    /// # Errors
    /// As [`value`](Self::value).
    pub fn store(&mut self, id: BufferId, quad: &str, values: &str) -> Result<()> {
        let values = self.live_or(id, quad, values, "0.0");
        let place = self.value(id, quad)?;
        self.line(format_args!("{place} = {values};"));
        Ok(())
    }

    /// Four values of `id` at `quad`, with `replacement` for those beyond its columns.
    pub fn live_or(&self, id: BufferId, quad: &str, values: &str, replacement: &str) -> String {
        let columns = self.columns(id);
        if columns.is_multiple_of(4) {
            return values.to_owned();
        }
        format!(
            "select(vec4<f32>({replacement}), {values}, \
             vec4<u32>(4u * {quad}) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>({columns}u))"
        )
    }

    /// One line.
    pub fn line(&mut self, line: impl Display) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "{:1$}{line}", "", 4 * self.depth);
    }

    /// `statements` within braces that follow `head`.
    ///
    /// # Errors
    /// Those of `statements`.
    pub fn block(
        &mut self,
        head: impl Display,
        statements: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        let space = if head.to_string().is_empty() { "" } else { " " };
        self.line(format_args!("{head}{space}{{"));
        self.depth += 1;
        let written = statements(self);
        self.depth -= 1;
        self.line("}");
        written
    }

    /// `statements` for each four columns of `id`, `quad` from 0 on.
    ///
    /// # Errors
    /// Those of `statements`.
    pub fn each_quad(
        &mut self,
        id: BufferId,
        statements: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        let quads = self.quads(id);
        let head = format!("for (var quad = 0u; quad < {quads}u; quad += 1u)");
        self.block(head, statements)
    }

    /// `statements` for each of the four columns of `quad`: `column`, and `i` from 0 to 3.
    ///
    /// # Errors
    /// Those of `statements`.
    pub fn each_column(&mut self, statements: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        self.block("for (var i = 0u; i < 4u; i += 1u)", |writer| {
            writer.line("let column = 4u * quad + i;");
            statements(writer)
        })
    }

    /// A name that begins with `kind` and is given out once, for declarations that belong to one
    /// operation alone.
    pub fn unique(&mut self, kind: &str) -> String {
        self.given += 1;
        format!("{kind}_{}", self.given)
    }

    /// What to call for an activation of four values: the text of its kernel, under another name.
    pub fn activation(&mut self, activation: Elementwise) -> String {
        let same = |other: Elementwise| {
            let bits = |one: Elementwise| one.constant().map(f64::to_bits);
            (other.name(), bits(other)) == (activation.name(), bits(activation))
        };
        let known = self.activations.iter().find(|(other, _)| same(*other));
        let own = match known {
            Some((_, own)) => own.clone(),
            None => {
                let alike =
                    self.activations.iter().filter(|(one, _)| one.name() == activation.name());
                let own = match alike.count() {
                    0 => activation.name().to_owned(),
                    before => format!("{}_{}", activation.name(), before + 1),
                };
                self.activations.push((activation, own.clone()));
                own
            }
        };
        let constant = literal(activation.constant().unwrap_or_default());
        self.call(&activation.text(), &own, "activate", &constant)
    }

    /// What to call for the function `wanted` of `pieces`, which come along under other names: those of
    /// the last piece, the operation's own, begin with `own`; those before it are shared. An override
    /// constant becomes `constant`.
    pub fn call(
        &mut self,
        pieces: &[Cow<'_, str>],
        own: &str,
        wanted: &str,
        constant: &str,
    ) -> String {
        let (last, name) = (pieces.len().saturating_sub(1), self.name);
        self.declarations.need(pieces, wanted, constant, |piece, declared| {
            if piece == last && !own.is_empty() {
                format!("{name}_{own}_{declared}")
            } else {
                format!("{name}_{declared}")
            }
        })
    }

    /// The arenas that it reads, in the order of their first use.
    pub fn arenas(&self) -> &[BufferId] {
        &self.arenas
    }

    /// What the array of an arena is called.
    pub fn arena_name(&self, arena: BufferId) -> String {
        let arena = &self.table.buffer(arena).name;
        format!("{}_{}", self.name, arena.trim_start_matches("all."))
    }

    /// What it calls, and its statements.
    pub fn finish(&self) -> (String, &str) {
        (self.declarations.text(), &self.text)
    }

    fn refused(&self, id: BufferId, why: &str) -> Error {
        Error::argument("network", format!("{} {why}", self.table.buffer(id).name))
    }
}

/// The nearest f32, in digits that stand for it alone.
pub(crate) fn literal(value: f64) -> String {
    format!("{:e}f", value as f32)
}
