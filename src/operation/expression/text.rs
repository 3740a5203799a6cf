//! The WGSL text of an expression.

use std::borrow::Cow;
use std::fmt::Write;

use crate::number::expression::{Binary, Formula, Term, Unary};
use crate::operation::kernel::shader;
use crate::operation::per_sample::literal;
use crate::table::Reals;

/// The texts of the functions that expressions call.
pub(super) const FUNCTIONS: [Cow<'static, str>; 4] = [
    shader!("shared/rows"),
    shader!("shared/nan"),
    shader!("shared/sigmoid"),
    shader!("expression/functions"),
];

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
    let loaded = |(number, operand): (usize, &Load)| match operand.broadcast {
        true => format!("vec4<f32>(f32(operand_{number}[row].x))"),
        false => format!("vec4<f32>(operand_{number}[index])"),
    };
    let operands: Vec<String> = operands.iter().enumerate().map(loaded).collect();
    let (lines, result) = statements(formula, &operands, &mut str::to_owned);
    lines.iter().for_each(|own| line(format_args!("    {own}")));
    line(format_args!("    return {result};\n}}"));
    text
}

/// The statements that compute four neighbours from four of each operand, and what the result is called;
/// `call` says what a function of [`FUNCTIONS`] is called.
pub(super) fn statements(
    formula: &Formula,
    operands: &[String],
    call: &mut dyn FnMut(&str) -> String,
) -> (Vec<String>, String) {
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
    let mut lines = Vec::with_capacity(terms.len());
    for (place, &term) in terms.iter().enumerate() {
        let value = match term {
            Term::Constant(value) => format!("vec4<f32>({})", literal(value)),
            Term::Operand(number) => operands.get(number).cloned().unwrap_or_default(),
            Term::Unary(function, a) => unary(function, &name(a), call),
            Term::Power(a, exponent) => {
                format!("{}({}, {})", call("power"), name(a), literal(exponent))
            }
            Term::Binary(function, a, b) => binary(function, &name(a), &name(b), call),
            Term::Select(a, b, c) => {
                format!("{}({}, {}, {})", call("if_positive"), name(a), name(b), name(c))
            }
        };
        lines.push(format!("let {} = {value};", name(place)));
    }
    (lines, name(terms.len().saturating_sub(1)))
}

fn unary(function: Unary, a: &str, call: &mut dyn FnMut(&str) -> String) -> String {
    let called = match function {
        Unary::Negate => return format!("-{a}"),
        Unary::Absolute => return format!("abs({a})"),
        Unary::Sign => "sign_of",
        Unary::Exp => "power_of_e",
        Unary::Log => "logarithm",
        Unary::Sqrt => "root",
        Unary::Tanh => "hyperbolic_tangent",
        Unary::Sigmoid => "sigmoid",
    };
    format!("{}({a})", call(called))
}

fn binary(function: Binary, a: &str, b: &str, call: &mut dyn FnMut(&str) -> String) -> String {
    match function {
        Binary::Add => format!("{a} + {b}"),
        Binary::Subtract => format!("{a} - {b}"),
        Binary::Multiply => format!("{a} * {b}"),
        Binary::Divide => format!("{a} / {b}"),
        Binary::Minimum => format!("{}({a}, {b})", call("minimum")),
        Binary::Maximum => format!("{}({a}, {b})", call("maximum")),
    }
}
