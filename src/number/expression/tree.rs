//! Expressions as users write them.

use std::ops::{Add, Div, Mul, Neg, Sub};
use std::sync::Arc;

use super::function::{Binary, Unary};

/// A function of the values of one element, written with operators: `&x * y.sigmoid() + 1.0`.
///
/// A user's closure gets its operands as expressions and returns one. Nothing is computed then: the
/// model differentiates the expression and runs it on the CPU or as a GPU kernel of its own. Clones
/// are cheap and share their parts, which are computed once.
///
/// ```
/// use minibatch::Expression;
/// let [x, gate] = Expression::operands();
/// let gated = &x + gate.sigmoid() * x.tanh();
/// # let _ = gated;
/// ```
#[derive(Debug, Clone)]
pub struct Expression {
    kind: Arc<Kind>,
    depth: usize,
}

/// What an expression consists of.
#[derive(Debug)]
pub(super) enum Kind {
    Constant(f64),
    Operand(usize),
    Unary(Unary, Expression),
    Power(Expression, f64),
    Binary(Binary, Expression, Expression),
    Select(Expression, Expression, Expression),
    /// What was nested too deeply; an error when the expression is used.
    TooDeep,
}

impl Expression {
    /// How deeply expressions may be nested.
    pub const MOST_DEPTH: usize = 500;

    /// A constant; f32 on a GPU.
    pub fn constant(value: f64) -> Self {
        Self::new(Kind::Constant(value), [])
    }

    /// The operand of this number, from 0.
    pub fn operand(number: usize) -> Self {
        Self::new(Kind::Operand(number), [])
    }

    /// The first `N` operands.
    pub fn operands<const N: usize>() -> [Self; N] {
        std::array::from_fn(Self::operand)
    }

    /// The absolute value; its slope at 0 is 0.
    pub fn abs(&self) -> Self {
        self.unary(Unary::Absolute)
    }

    /// -1, 0 or 1; its slope is 0.
    pub fn sign(&self) -> Self {
        self.unary(Unary::Sign)
    }

    /// `e` to the power of it.
    pub fn exp(&self) -> Self {
        self.unary(Unary::Exp)
    }

    /// The natural logarithm: NaN below 0.
    pub fn ln(&self) -> Self {
        self.unary(Unary::Log)
    }

    /// The square root: NaN below 0.
    pub fn sqrt(&self) -> Self {
        self.unary(Unary::Sqrt)
    }

    /// Hyperbolic tangent.
    pub fn tanh(&self) -> Self {
        self.unary(Unary::Tanh)
    }

    /// `1 / (1 + exp(-self))`.
    pub fn sigmoid(&self) -> Self {
        self.unary(Unary::Sigmoid)
    }

    /// Its product with itself.
    pub fn square(&self) -> Self {
        self * self
    }

    /// It to the power of a constant. Whole exponents from -32 to 32 are products; with any other
    /// one, a number below 0 gives NaN.
    pub fn powf(&self, exponent: f64) -> Self {
        Self::new(Kind::Power(self.clone(), exponent), [self])
    }

    /// The smaller of the two.
    pub fn min(&self, other: impl Into<Expression>) -> Self {
        self.binary(Binary::Minimum, other.into())
    }

    /// The larger of the two.
    pub fn max(&self, other: impl Into<Expression>) -> Self {
        self.binary(Binary::Maximum, other.into())
    }

    /// `positive` where it is above 0, else `other`; NaN where it is NaN. No gradient passes to the
    /// condition itself.
    pub fn if_positive(
        &self,
        positive: impl Into<Expression>,
        other: impl Into<Expression>,
    ) -> Self {
        let (positive, other) = (positive.into(), other.into());
        let depths = [self, &positive, &other].map(|inner| inner.depth);
        let kind = Kind::Select(self.clone(), positive, other);
        Self::nested(kind, depths.into_iter().max().unwrap_or(0))
    }

    pub(super) fn kind(&self) -> &Kind {
        &self.kind
    }

    fn unary(&self, function: Unary) -> Self {
        Self::new(Kind::Unary(function, self.clone()), [self])
    }

    fn binary(&self, function: Binary, other: Expression) -> Self {
        let depth = self.depth.max(other.depth);
        Self::nested(Kind::Binary(function, self.clone(), other), depth)
    }

    fn new<const N: usize>(kind: Kind, inner: [&Expression; N]) -> Self {
        Self::nested(kind, inner.iter().map(|inner| inner.depth).max().unwrap_or(0))
    }

    /// Around expressions of that depth.
    fn nested(kind: Kind, depth: usize) -> Self {
        match depth < Self::MOST_DEPTH {
            true => Expression { kind: Arc::new(kind), depth: depth + 1 },
            false => Expression { kind: Arc::new(Kind::TooDeep), depth },
        }
    }
}

impl From<f64> for Expression {
    fn from(value: f64) -> Self {
        Expression::constant(value)
    }
}

impl From<&Expression> for Expression {
    fn from(expression: &Expression) -> Self {
        expression.clone()
    }
}

impl Neg for &Expression {
    type Output = Expression;
    fn neg(self) -> Expression {
        self.unary(Unary::Negate)
    }
}

impl Neg for Expression {
    type Output = Expression;
    fn neg(self) -> Expression {
        -&self
    }
}

macro_rules! operators {
    ($($operator:ident $method:ident $function:ident)+) => {
        $(
            impl<E: Into<Expression>> $operator<E> for &Expression {
                type Output = Expression;
                fn $method(self, other: E) -> Expression {
                    self.binary(Binary::$function, other.into())
                }
            }

            impl<E: Into<Expression>> $operator<E> for Expression {
                type Output = Expression;
                fn $method(self, other: E) -> Expression {
                    self.binary(Binary::$function, other.into())
                }
            }

            impl $operator<Expression> for f64 {
                type Output = Expression;
                fn $method(self, other: Expression) -> Expression {
                    Expression::constant(self).binary(Binary::$function, other)
                }
            }

            impl $operator<&Expression> for f64 {
                type Output = Expression;
                fn $method(self, other: &Expression) -> Expression {
                    Expression::constant(self).binary(Binary::$function, other.clone())
                }
            }
        )+
    };
}
operators! {
    Add add Add
    Sub sub Subtract
    Mul mul Multiply
    Div div Divide
}
