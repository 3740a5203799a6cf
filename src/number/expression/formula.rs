//! Expressions as flat lists of terms.

use std::collections::HashMap;

use super::computed::Computed;
use super::function::{Binary, Unary};
use super::tree::{Expression, Kind};
use crate::error::{Error, Result};

/// One value on the way to an expression's result. Other terms are named by their place in the list,
/// which is before this one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Term {
    /// A constant.
    Constant(f64),
    /// The operand of this number.
    Operand(usize),
    /// A function of a term.
    Unary(Unary, usize),
    /// A term to the power of a constant, which is not 0.
    Power(usize, f64),
    /// A function of two terms.
    Binary(Binary, usize, usize),
    /// The second term where the first one is above 0, else the third.
    Select(usize, usize, usize),
}

impl Term {
    /// The same with other places for the terms that it names.
    fn moved(self, to: impl Fn(usize) -> usize) -> Self {
        match self {
            Term::Constant(_) | Term::Operand(_) => self,
            Term::Unary(function, a) => Term::Unary(function, to(a)),
            Term::Power(a, exponent) => Term::Power(to(a), exponent),
            Term::Binary(function, a, b) => Term::Binary(function, to(a), to(b)),
            Term::Select(a, b, c) => Term::Select(to(a), to(b), to(c)),
        }
    }

    /// The places of the terms that it names.
    fn names(self) -> Vec<usize> {
        match self {
            Term::Constant(_) | Term::Operand(_) => vec![],
            Term::Unary(_, a) | Term::Power(a, _) => vec![a],
            Term::Binary(_, a, b) => vec![a, b],
            Term::Select(a, b, c) => vec![a, b, c],
        }
    }
}

/// An expression as a list of terms, the last of which is its result. Equal parts are computed once.
#[derive(Debug, Clone, PartialEq)]
pub struct Formula {
    terms: Vec<Term>,
}

impl Formula {
    /// The terms of an expression.
    ///
    /// # Errors
    /// [`Error::Argument`] if it is nested deeper than [`Expression::MOST_DEPTH`].
    pub fn new(expression: &Expression) -> Result<Self> {
        let mut terms = Terms::default();
        let result = lower(expression, &mut terms, &mut HashMap::new())?;
        Ok(terms.formula(result))
    }

    /// The terms, the result last.
    pub fn terms(&self) -> &[Term] {
        &self.terms
    }

    /// The numbers of its operands, ascending.
    pub fn operands(&self) -> Vec<usize> {
        let mut found: Vec<usize> = self.terms.iter().filter_map(operand).collect();
        found.sort_unstable();
        found
    }

    /// Operand `order[i]` becomes operand `i`.
    pub fn renumbered(mut self, order: &[usize]) -> Self {
        for term in &mut self.terms {
            if let Term::Operand(number) = term {
                *number = order.iter().position(|other| other == number).unwrap_or(*number);
            }
        }
        self
    }

    /// Its product with an operand.
    pub fn times(&self, number: usize) -> Self {
        let mut terms = Terms(self.terms.clone());
        let (result, factor) = (self.terms.len() - 1, terms.add(Term::Operand(number)));
        let product = terms.binary(Binary::Multiply, result, factor);
        terms.formula(product)
    }

    /// Its value for these operands. `scratch` is room that one call can take from another.
    pub fn evaluate<V: Computed>(&self, operands: &[V], scratch: &mut Vec<V>) -> V {
        scratch.clear();
        let mut result = V::constant(0.0);
        for &term in &self.terms {
            result = match term {
                Term::Constant(value) => V::constant(value),
                // The operation that has the formula is checked to have these operands.
                Term::Operand(number) => operands[number],
                Term::Unary(function, a) => scratch[a].unary(function),
                Term::Power(a, exponent) => scratch[a].power(exponent),
                Term::Binary(function, a, b) => scratch[a].binary(function, scratch[b]),
                Term::Select(a, b, c) => scratch[a].select(scratch[b], scratch[c]),
            };
            scratch.push(result);
        }
        result
    }
}

fn operand(term: &Term) -> Option<usize> {
    match term {
        Term::Operand(number) => Some(*number),
        Term::Constant(_)
        | Term::Unary(..)
        | Term::Power(..)
        | Term::Binary(..)
        | Term::Select(..) => None,
    }
}

/// Terms while they are made. Every method returns the place of its result, and simplifies where that
/// changes no value, NaN included.
#[derive(Debug, Default)]
pub(super) struct Terms(Vec<Term>);

impl Terms {
    /// Those of a formula, in their places.
    pub(super) fn of(formula: &Formula) -> Self {
        Terms(formula.terms.clone())
    }

    /// Appends a term unless it is there.
    pub(super) fn add(&mut self, term: Term) -> usize {
        self.0.iter().position(|other| *other == term).unwrap_or_else(|| {
            self.0.push(term);
            self.0.len() - 1
        })
    }

    pub(super) fn constant(&mut self, value: f64) -> usize {
        self.add(Term::Constant(value))
    }

    /// The value of a constant.
    fn value(&self, place: usize) -> Option<f64> {
        match self.0[place] {
            Term::Constant(value) => Some(value),
            Term::Operand(_)
            | Term::Unary(..)
            | Term::Power(..)
            | Term::Binary(..)
            | Term::Select(..) => None,
        }
    }

    pub(super) fn unary(&mut self, function: Unary, a: usize) -> usize {
        if let Some(value) = self.value(a) {
            return self.constant(value.unary(function));
        }
        if let (Unary::Negate, Term::Unary(Unary::Negate, inner)) = (function, self.0[a]) {
            return inner;
        }
        self.add(Term::Unary(function, a))
    }

    pub(super) fn binary(&mut self, function: Binary, a: usize, b: usize) -> usize {
        use Binary::{Add, Divide, Maximum, Minimum, Multiply, Subtract};
        let (x, y) = (self.value(a), self.value(b));
        if let Some((x, y)) = x.zip(y) {
            return self.constant(x.binary(function, y));
        }
        let is = |value: Option<f64>, wanted: f64| value == Some(wanted);
        match function {
            Add if is(x, 0.0) => b,
            Add | Subtract if is(y, 0.0) => a,
            Subtract if is(x, 0.0) => self.unary(Unary::Negate, b),
            Multiply if is(x, 1.0) => b,
            Multiply | Divide if is(y, 1.0) => a,
            Multiply if is(x, -1.0) => self.unary(Unary::Negate, b),
            Multiply | Divide if is(y, -1.0) => self.unary(Unary::Negate, a),
            Add | Subtract | Multiply | Divide | Minimum | Maximum => {
                self.add(Term::Binary(function, a, b))
            }
        }
    }

    /// Whole exponents up to this size are products.
    const MOST_WHOLE_EXPONENT: f64 = 32.0;

    pub(super) fn power(&mut self, a: usize, exponent: f64) -> usize {
        let size = exponent.abs();
        if size == 0.5 {
            let root = self.unary(Unary::Sqrt, a);
            return self.power(root, exponent * 2.0);
        }
        if size.fract() != 0.0 || size > Self::MOST_WHOLE_EXPONENT {
            return match self.value(a) {
                Some(value) => self.constant(value.power(exponent)),
                None => self.add(Term::Power(a, exponent)),
            };
        }
        let (mut product, mut square, mut left) = (self.constant(1.0), a, size as u32);
        while left > 0 {
            if left % 2 == 1 {
                product = self.binary(Binary::Multiply, product, square);
            }
            left /= 2;
            if left > 0 {
                square = self.binary(Binary::Multiply, square, square);
            }
        }
        if exponent > 0.0 || size == 0.0 {
            return product;
        }
        let one = self.constant(1.0);
        self.binary(Binary::Divide, one, product)
    }

    pub(super) fn select(&mut self, a: usize, positive: usize, other: usize) -> usize {
        match self.value(a) {
            Some(value) if value > 0.0 => positive,
            Some(value) if value <= 0.0 => other,
            // NaN, which the check of the operation refuses.
            Some(_) => a,
            None => self.add(Term::Select(a, positive, other)),
        }
    }

    /// The formula of the term at `result`, without what leads nowhere.
    pub(super) fn formula(self, result: usize) -> Formula {
        let mut used = vec![false; result + 1];
        used[result] = true;
        for place in (0..=result).rev() {
            if used[place] {
                self.0[place].names().into_iter().for_each(|name| used[name] = true);
            }
        }
        let (mut terms, mut places) = (Vec::new(), vec![0; result + 1]);
        for place in (0..=result).filter(|&place| used[place]) {
            places[place] = terms.len();
            terms.push(self.0[place].moved(|name| places[name]));
        }
        Formula { terms }
    }
}

fn lower(
    expression: &Expression,
    terms: &mut Terms,
    known: &mut HashMap<*const Kind, usize>,
) -> Result<usize> {
    let kind = expression.kind();
    if let Some(&place) = known.get(&std::ptr::from_ref(kind)) {
        return Ok(place);
    }
    let mut place_of = |inner: &Expression| lower(inner, terms, known);
    let place = match kind {
        Kind::Constant(value) => terms.constant(*value),
        Kind::Operand(number) => terms.add(Term::Operand(*number)),
        Kind::Unary(function, a) => {
            let a = place_of(a)?;
            terms.unary(*function, a)
        }
        Kind::Power(a, exponent) => {
            let a = place_of(a)?;
            terms.power(a, *exponent)
        }
        Kind::Binary(function, a, b) => {
            let (a, b) = (place_of(a)?, place_of(b)?);
            terms.binary(*function, a, b)
        }
        Kind::Select(a, b, c) => {
            let (a, b, c) = (place_of(a)?, place_of(b)?, place_of(c)?);
            terms.select(a, b, c)
        }
        Kind::TooDeep => {
            let problem = format!("is nested deeper than {}", Expression::MOST_DEPTH);
            return Err(Error::argument("expression", problem));
        }
    };
    known.insert(std::ptr::from_ref(kind), place);
    Ok(place)
}
