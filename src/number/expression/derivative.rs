//! The derivative of a formula.

use super::formula::{Formula, Term, Terms};
use super::function::{Binary, Unary};

impl Formula {
    /// Its derivative by operand `by`; `None` if it does not depend on it. At 0 the slope of `|x|` is
    /// 0. Where both arguments of a minimum or maximum are equal, the slope is that of the second
    /// one. No slope comes from the condition of a select.
    pub fn derivative(&self, by: usize) -> Option<Formula> {
        let mut terms = Terms::of(self);
        let mut slopes: Vec<Option<usize>> = Vec::new();
        for (place, &term) in self.terms().iter().enumerate() {
            let slope = terms.slope(place, term, by, &slopes);
            slopes.push(slope);
        }
        slopes.last().copied().flatten().map(|slope| terms.formula(slope))
    }
}

impl Terms {
    /// The slope of the term at `place`, from those of the terms before it.
    fn slope(
        &mut self,
        place: usize,
        term: Term,
        by: usize,
        slopes: &[Option<usize>],
    ) -> Option<usize> {
        let of = |place: usize| slopes.get(place).copied().flatten();
        match term {
            Term::Constant(_) => None,
            Term::Operand(number) => (number == by).then(|| self.constant(1.0)),
            Term::Unary(function, a) => {
                let inner = of(a)?;
                self.slope_of_unary(function, [a, place], inner)
            }
            Term::Power(a, exponent) => {
                let inner = of(a)?;
                let (power, exponent) = (self.power(a, exponent - 1.0), self.constant(exponent));
                let outer = self.binary(Binary::Multiply, exponent, power);
                Some(self.binary(Binary::Multiply, outer, inner))
            }
            Term::Binary(function, a, b) => {
                self.slope_of_binary(function, [a, b, place], [of(a), of(b)])
            }
            Term::Select(a, b, c) => self.slope_of_select(a, [of(b), of(c)]),
        }
    }

    /// Of `function(a)` with the result at `result`.
    fn slope_of_unary(
        &mut self,
        function: Unary,
        [a, result]: [usize; 2],
        inner: usize,
    ) -> Option<usize> {
        let one = self.constant(1.0);
        let outer = match function {
            Unary::Negate => return Some(self.unary(Unary::Negate, inner)),
            Unary::Sign => return None,
            Unary::Log => return Some(self.binary(Binary::Divide, inner, a)),
            Unary::Absolute => self.unary(Unary::Sign, a),
            Unary::Exp => result,
            Unary::Sqrt => {
                let half = self.constant(0.5);
                self.binary(Binary::Divide, half, result)
            }
            Unary::Tanh => {
                let below = self.binary(Binary::Subtract, one, result);
                let above = self.binary(Binary::Add, one, result);
                self.binary(Binary::Multiply, below, above)
            }
            Unary::Sigmoid => {
                let rest = self.binary(Binary::Subtract, one, result);
                self.binary(Binary::Multiply, result, rest)
            }
        };
        Some(self.binary(Binary::Multiply, outer, inner))
    }

    /// Of `function(a, b)` with the result at `result`.
    fn slope_of_binary(
        &mut self,
        function: Binary,
        [a, b, result]: [usize; 3],
        [by_a, by_b]: [Option<usize>; 2],
    ) -> Option<usize> {
        let [by_a, by_b] = match function {
            Binary::Add | Binary::Subtract => [by_a, by_b],
            Binary::Multiply => [
                by_a.map(|slope| self.binary(Binary::Multiply, slope, b)),
                by_b.map(|slope| self.binary(Binary::Multiply, a, slope)),
            ],
            Binary::Divide => [
                by_a.map(|slope| self.binary(Binary::Divide, slope, b)),
                by_b.map(|slope| {
                    let share = self.binary(Binary::Divide, result, b);
                    self.binary(Binary::Multiply, share, slope)
                }),
            ],
            Binary::Maximum => {
                let larger = self.binary(Binary::Subtract, a, b);
                return self.slope_of_select(larger, [by_a, by_b]);
            }
            Binary::Minimum => {
                let smaller = self.binary(Binary::Subtract, b, a);
                return self.slope_of_select(smaller, [by_a, by_b]);
            }
        };
        let subtracted = matches!(function, Binary::Subtract | Binary::Divide);
        match (by_a, by_b) {
            (None, None) => None,
            (Some(slope), None) => Some(slope),
            (None, Some(slope)) if subtracted => Some(self.unary(Unary::Negate, slope)),
            (None, Some(slope)) => Some(slope),
            (Some(by_a), Some(by_b)) if subtracted => {
                Some(self.binary(Binary::Subtract, by_a, by_b))
            }
            (Some(by_a), Some(by_b)) => Some(self.binary(Binary::Add, by_a, by_b)),
        }
    }

    fn slope_of_select(
        &mut self,
        condition: usize,
        [positive, other]: [Option<usize>; 2],
    ) -> Option<usize> {
        if positive.is_none() && other.is_none() {
            return None;
        }
        let zero = self.constant(0.0);
        Some(self.select(condition, positive.unwrap_or(zero), other.unwrap_or(zero)))
    }
}
