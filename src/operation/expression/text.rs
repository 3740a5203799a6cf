//! The WGSL text of an expression.

use std::fmt::Write;

use crate::number::expression::{Binary, Formula, Term, Unary};
use crate::table::Reals;

/// How a map loads an operand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    /// Whether it is one value for the whole row.
    pub broadcast: bool,
    /// How it is stored.
    pub reals: Reals,
}

/// The storage bindings of a map and its function `mapped`, which computes four neighbours of a row.
/// Operands are loaded from the same place as the result is written to, or are one value for the
/// whole row. Each is stored in a way of its own.
pub(super) fn text(formula: &Formula, operands: &[Load]) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let mut line = |line: std::fmt::Arguments<'_>| {
        let _ = writeln!(text, "{line}");
    };
    for (number, operand) in operands.iter().enumerate() {
        let binding = number + 2;
        let values = match operand.reals {
            Reals::Full => "vec4<f32>",
            Reals::Half => "vec4<f16>",
        };
        line(format_args!(
            "@group(0) @binding({binding}) var<storage, read> operand_{number}: array<{values}>;"
        ));
    }
    let binding = operands.len() + 2;
    line(format_args!(
        "@group(0) @binding({binding}) var<storage, read_write> output: array<Rows>;"
    ));
    line(format_args!("\nfn mapped(index: u32, row: u32) -> vec4<f32> {{"));
    let terms = formula.terms();
    let name = |place: usize| match terms.get(place) {
        Some(Term::Operand(number)) => format!("x{number}"),
        Some(
            Term::Constant(_)
            | Term::Unary(..)
            | Term::Power(..)
            | Term::Binary(..)
            | Term::Select(..),
        )
        | None => format!("t{place}"),
    };
    for (place, &term) in terms.iter().enumerate() {
        let value = match term {
            Term::Constant(value) => format!("vec4<f32>({})", literal(value)),
            Term::Operand(number)
                if operands.get(number).is_some_and(|operand| operand.broadcast) =>
            {
                format!("vec4<f32>(f32(operand_{number}[row].x))")
            }
            Term::Operand(number) => format!("vec4<f32>(operand_{number}[index])"),
            Term::Unary(function, a) => unary(function, &name(a)),
            Term::Power(a, exponent) => format!("power({}, {})", name(a), literal(exponent)),
            Term::Binary(function, a, b) => binary(function, &name(a), &name(b)),
            Term::Select(a, b, c) => {
                format!("if_positive({}, {}, {})", name(a), name(b), name(c))
            }
        };
        line(format_args!("    let {} = {value};", name(place)));
    }
    line(format_args!("    return {};\n}}", name(terms.len().saturating_sub(1))));
    text
}

/// The nearest f32, in digits that stand for it alone.
fn literal(value: f64) -> String {
    format!("{:e}f", value as f32)
}

fn unary(function: Unary, a: &str) -> String {
    match function {
        Unary::Negate => format!("-{a}"),
        Unary::Absolute => format!("abs({a})"),
        Unary::Sign => format!("sign_of({a})"),
        Unary::Exp => format!("power_of_e({a})"),
        Unary::Log => format!("logarithm({a})"),
        Unary::Sqrt => format!("root({a})"),
        Unary::Tanh => format!("hyperbolic_tangent({a})"),
        Unary::Sigmoid => format!("sigmoid({a})"),
    }
}

fn binary(function: Binary, a: &str, b: &str) -> String {
    match function {
        Binary::Add => format!("{a} + {b}"),
        Binary::Subtract => format!("{a} - {b}"),
        Binary::Multiply => format!("{a} * {b}"),
        Binary::Divide => format!("{a} / {b}"),
        Binary::Minimum => format!("minimum({a}, {b})"),
        Binary::Maximum => format!("maximum({a}, {b})"),
    }
}
