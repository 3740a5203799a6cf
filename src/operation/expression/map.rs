//! An expression of each value.

use super::text::{Load, text};
use crate::error::Error;
use crate::number::expression::Term;
use crate::operation::kernel::size;
use crate::operation::prelude::*;
use crate::table::{BufferId, ExpressionId};

/// `output[B,U] = expression(operands)`, where each operand is `[B,U]`, or `[B,1]`: the same value for
/// the whole row. The expression stands in the table. With the operand alone as the expression, a
/// `[B,1]` is broadcast.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Map {
    /// What the expression's operands are, in their order.
    operands: [Option<BufferId>; Map::MOST_OPERANDS],
    /// Where the result goes.
    pub output: BufferId,
    /// What is computed.
    pub expression: ExpressionId,
}

impl Map {
    /// With the result, these are the storage buffers that a WebGPU device must bind at least.
    pub const MOST_OPERANDS: usize = 7;

    /// A map of these operands.
    ///
    /// # Errors
    /// [`Error::Argument`] if they are more than [`MOST_OPERANDS`](Self::MOST_OPERANDS).
    pub fn new(operands: &[BufferId], output: BufferId, expression: ExpressionId) -> Result<Self> {
        if operands.len() > Self::MOST_OPERANDS {
            let (count, most) = (operands.len(), Self::MOST_OPERANDS);
            let problem = format!("has {count} operands; give at most {most}");
            return Err(Error::argument("expression", problem));
        }
        let mut places = [None; Self::MOST_OPERANDS];
        for (place, &operand) in places.iter_mut().zip(operands) {
            *place = Some(operand);
        }
        Ok(Map { operands: places, output, expression })
    }

    /// The operands in their order.
    pub fn operands(&self) -> impl Iterator<Item = BufferId> {
        self.operands.into_iter().flatten()
    }
}

impl Buffers for Map {
    const NAME: &'static str = "map";

    fn each(&self, see: &mut dyn FnMut(Access, BufferId)) {
        self.operands().for_each(|id| see(Access::Read, id));
        see(Access::Write, self.output);
    }

    fn each_mut(&mut self, see: &mut dyn FnMut(Access, &mut BufferId)) {
        self.operands.iter_mut().flatten().for_each(|id| see(Access::Read, id));
        see(Access::Write, &mut self.output);
    }
}

impl Operation for Map {
    const IN_PARTS: InParts = InParts::Rows;
    const FLOPS: u32 = 0;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        let columns = shapes.columns(self.output);
        shapes.activations([self.output], columns)?;
        for id in self.operands() {
            let width = if shapes.columns(id) == 1 { 1 } else { columns };
            shapes.activation(id, width)?;
            let buffer = shapes.table().buffer(id);
            // The kernel loads four values of a row at once.
            if !buffer.stride().is_multiple_of(4) {
                return Err(Error::Shape {
                    what: format!("{} in {}", buffer.name, Self::NAME),
                    actual: format!("the role {:?}, whose rows lie without padding", buffer.role),
                    expected: "rows of a multiple of four values".into(),
                });
            }
        }
        let refuse = |problem: String| Err(Error::argument("expression", problem));
        let count = self.operands().count();
        for term in shapes.table().expression(self.expression).terms() {
            match *term {
                Term::Operand(number) if number >= count => {
                    return refuse(format!("names operand {number}, but there are {count}"));
                }
                Term::Constant(value) | Term::Power(_, value) if !(value as f32).is_finite() => {
                    return refuse(format!("has the constant {value}; give numbers within f32"));
                }
                Term::Operand(_)
                | Term::Constant(_)
                | Term::Power(..)
                | Term::Unary(..)
                | Term::Binary(..)
                | Term::Select(..) => {}
            }
        }
        Ok(())
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let (formula, shape) = (on.table.expression(self.expression), on.shape(self.output));
        let operands = self.operands.map(|id| id.map(|id| (on.real(id), on.shape(id))));
        let mut output = on.real_mut(self.output);
        let (mut x, mut scratch) = ([T::ZERO; Self::MOST_OPERANDS], Vec::new());
        for (row, output) in output.chunks_exact_mut(shape.stride).take(shape.rows).enumerate() {
            for (column, output) in output[..shape.columns].iter_mut().enumerate() {
                for (x, (values, from)) in x.iter_mut().zip(operands.iter().flatten()) {
                    // An operand of one column is the same for the whole row.
                    *x = values[row * from.stride + column.min(from.columns - 1)];
                }
                *output = formula.evaluate(&x, &mut scratch).flushed();
            }
        }
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let units = target.columns(self.output)?;
        let load = |id: BufferId| {
            let broadcast = target.columns(id)? == 1 && units > 1;
            Ok(Load { broadcast, reals: target.table.buffer(id).reals })
        };
        let operands: Result<Vec<Load>> = self.operands().map(load).collect();
        let own = text(target.table.expression(self.expression), &operands?);
        let text = wgsl![
            "shared/dense",
            "shared/rows",
            "shared/fold",
            "shared/elements",
            "shared/nan",
            "shared/sigmoid",
            "expression/functions",
            "expression/map"
        ];
        let terms = target.table.expression(self.expression).terms();
        Ok(Dispatch::new(self, text, RowConstants::new(units), Grid::elements(units))
            .with_text([own.into()])
            .counted(size(terms.len())?))
    }
}
