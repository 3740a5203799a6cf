//! How the parity suite tries expressions and sums over a row.

use super::{Map, RowSum};
use crate::error::Result;
use crate::number::approximate::Approximate;
use crate::number::bounds;
use crate::number::expression::{Expression, Formula};
use crate::operation::case::{Case, Cases, Form, ROWS_BEYOND, Values};

/// The numbers that an operand is tried with.
#[derive(Debug, Clone, Copy)]
enum Tried {
    /// In `[-x, x)`.
    Signed(f64),
    /// From 1/8 to 2, where logarithms, roots and quotients are well defined.
    Positive,
    /// The same for each row.
    PositiveRow,
    /// 0 or 1.
    Choice,
}

/// An expression, its operands, and mistakes in its text.
struct Trial {
    name: &'static str,
    expression: fn() -> Expression,
    /// Which derivative is tried in its place, times one more operand.
    by: Option<usize>,
    operands: &'static [Tried],
    mistakes: &'static [(&'static str, &'static str, &'static str)],
}

const QUANTILE: f64 = 0.875;

fn gate() -> Expression {
    let [x, gate, value] = Expression::operands();
    x + gate.sigmoid() * value.tanh()
}

fn focal() -> Expression {
    let [p, target] = Expression::operands();
    let right = &target * &p + (1.0 - &target) * (1.0 - &p);
    let right = right.max(1e-3);
    -(1.0 - &right).abs().powf(2.5) * right.ln()
}

fn quantile() -> Expression {
    let [y, target] = Expression::operands();
    let error = target - y;
    error.if_positive(&error * QUANTILE, &error * (QUANTILE - 1.0))
}

fn division() -> Expression {
    let [x, scale] = Expression::operands();
    x / (scale.square() + 0.5)
}

fn powers() -> Expression {
    let [x, y, choice] = Expression::operands();
    x.powf(3.0) + y.powf(-1.5) + (&y * x.square()).sqrt() + x.exp() + choice.powf(1.5)
}

fn corners() -> Expression {
    let [x, y] = Expression::operands();
    (x.min(&y) * 2.0 - x.max(0.25)) * x.sign()
}

fn sums() -> Expression {
    let x: [Expression; Map::MOST_OPERANDS] = Expression::operands();
    let mut terms = x.iter();
    let first = terms.next().map_or_else(|| 0.0.into(), Expression::from);
    terms.fold(first, |sum, x| sum * 0.5 - x)
}

const TRIALS: &[Trial] = &[
    Trial {
        name: "gate",
        expression: gate,
        by: None,
        operands: &[Tried::Signed(1.0), Tried::Signed(40.0), Tried::Signed(40.0)],
        mistakes: &[
            ("a gate that is added", "t2 * t4", "t2 + t4"),
            ("the wrong operand", "sigmoid(x1)", "sigmoid(x0)"),
            ("a tanh without its limits", "clamp(x, vec4<f32>(-15.0), vec4<f32>(15.0))", "0.5 * x"),
            ROWS_BEYOND,
        ],
    },
    Trial {
        name: "gate gradient",
        expression: gate,
        by: Some(1),
        operands: &[Tried::Signed(1.0), Tried::Signed(9.0), Tried::Signed(9.0), Tried::Signed(1.0)],
        mistakes: &[("no output gradient", " * x3", " * 1.0")],
    },
    Trial {
        name: "focal",
        expression: focal,
        by: None,
        operands: &[Tried::Positive, Tried::Choice],
        mistakes: &[
            ("another exponent", "2.5e0f", "3.5e0f"),
            ("the smaller one", "maximum(t", "minimum(t"),
        ],
    },
    Trial {
        name: "quantile",
        expression: quantile,
        by: None,
        operands: &[Tried::Signed(2.0), Tried::Signed(2.0)],
        mistakes: &[
            ("operands swapped", "x1 - x0", "x0 - x1"),
            ("branches swapped", "select(other, positive", "select(positive, other"),
        ],
    },
    Trial {
        name: "quantile gradient",
        expression: quantile,
        by: Some(0),
        operands: &[Tried::Signed(2.0), Tried::Signed(2.0), Tried::Signed(1.0)],
        mistakes: &[("a sign lost", "e-1f", "e0f")],
    },
    Trial {
        name: "division by a column",
        expression: division,
        by: None,
        operands: &[Tried::Signed(2.0), Tried::PositiveRow],
        mistakes: &[
            ("a product", " / ", " * "),
            ("the first row for all", "operand_1[row]", "operand_1[0]"),
            ("another element of the row", "operand_0[index]", "operand_0[index].yxzw"),
        ],
    },
    Trial {
        name: "division by a column, gradient",
        expression: division,
        by: Some(1),
        operands: &[Tried::Signed(2.0), Tried::PositiveRow, Tried::Signed(1.0)],
        mistakes: &[("a sign lost", "= -t", "= t")],
    },
    Trial {
        name: "powers",
        expression: powers,
        by: None,
        operands: &[Tried::Signed(2.0), Tried::Positive, Tried::Choice],
        mistakes: &[
            ("a sum for a cube", "x0 * t", "x0 + t"),
            ("no root", "select(sqrt(x)", "select(x"),
            ("no power at 0", "select(positive, at_zero", "select(positive, at_zero + 1.0"),
            ("powers of 2", "exp(clamp(", "exp2(clamp("),
            ("logarithms to 2", "select(log(x)", "select(log2(x)"),
        ],
    },
    Trial {
        name: "powers gradient",
        expression: powers,
        by: Some(1),
        operands: &[Tried::Signed(2.0), Tried::Positive, Tried::Choice, Tried::Signed(1.0)],
        mistakes: &[("an exponent", "-2.5e0f", "-1.5e0f")],
    },
    Trial {
        name: "corners",
        expression: corners,
        by: None,
        operands: &[Tried::Signed(1.0), Tried::Signed(1.0)],
        mistakes: &[
            ("the larger one", "= minimum(", "= maximum("),
            ("no sign", "sign_of(x0)", "x0"),
        ],
    },
    Trial {
        name: "corners gradient",
        expression: corners,
        by: Some(0),
        operands: &[Tried::Signed(1.0), Tried::Signed(1.0), Tried::Signed(1.0)],
        mistakes: &[("the other side", "x > vec4<f32>(0.0)", "x < vec4<f32>(0.0)")],
    },
    Trial {
        name: "of seven",
        expression: sums,
        by: None,
        operands: &[Tried::Signed(1.0); Map::MOST_OPERANDS],
        mistakes: &[("another one twice", "- x6", "- x5")],
    },
    Trial {
        name: "broadcast",
        expression: || Expression::operand(0),
        by: None,
        operands: &[Tried::PositiveRow],
        mistakes: &[("the first row for all", "operand_0[row]", "operand_0[0]")],
    },
];

impl Trial {
    fn formula(&self) -> Result<Formula> {
        let formula = Formula::new(&(self.expression)())?;
        Ok(match self.by {
            None => formula,
            // An operand that does not count would be a mistake here: nothing is left of it.
            Some(by) => match formula.derivative(by) {
                Some(derivative) => derivative.times(self.operands.len() - 1),
                None => Formula::new(&Expression::constant(0.0))?,
            },
        })
    }

    fn case(&self, shape: [usize; 3], mut values: Values) -> Result<Case> {
        let [rows, _, units] = shape;
        let mut case = Case::new(shape);
        let (mut operands, mut columns) = (Vec::new(), Vec::new());
        for (number, tried) in self.operands.iter().enumerate() {
            let width = match tried {
                Tried::PositiveRow => 1,
                Tried::Signed(_) | Tried::Positive | Tried::Choice => units,
            };
            let id = case.table.activation(format!("operand_{number}"), width)?;
            let count = rows * width;
            let x = match *tried {
                Tried::Signed(scale) => values.scaled(count, scale),
                Tried::Choice => values.below(count, 2),
                Tried::Positive | Tried::PositiveRow => {
                    let x = values.positive(count).into_iter();
                    x.map(|x| f64::from((0.125 + 1.875 * x) as f32)).collect()
                }
            };
            operands.push(id);
            columns.push((width, x.clone()));
            case.fill(id, x);
        }
        let output = case.table.activation("output", units)?;
        let formula = self.formula()?;
        let expression = case.table.add_expression(formula.clone());
        case.push(Map::new(&operands, output, expression)?)?;
        let (mut scratch, mut bounds) = (Vec::new(), Vec::new());
        for i in 0..rows * units {
            let place = |width| i / units * width + (i % units).min(width - 1);
            let x: Vec<_> =
                columns.iter().map(|(width, x)| Approximate::exact(x[place(*width)])).collect();
            bounds.push(formula.evaluate(&x, &mut scratch).error + bounds::smallest());
        }
        case.expect(output, bounds);
        Ok(case)
    }
}

impl Cases for Map {
    fn forms() -> Vec<Form> {
        let form = |trial: &'static Trial| {
            let case = |shape, seed| trial.case(shape, Values::new(seed));
            Form::new::<Self>(trial.name, case).mutations(trial.mistakes)
        };
        let mut forms: Vec<Form> = TRIALS.iter().map(form).collect();
        // A broadcast alone, as it costs the oracle least.
        let broadcast = forms.pop().map(|form| form.large([66_000, 1, 260]));
        forms.extend(broadcast);
        forms
    }
}

impl Cases for RowSum {
    fn forms() -> Vec<Form> {
        let mistakes = [
            ("every other quad", "quad += LANES", "quad += 2u * LANES"),
            ("one lane of 16", "let total = row_sum(local, sums)", "let total = sums.x + sums.y"),
            (
                "rows beyond the live ones written",
                "row < step.live_rows",
                "row < 2u * step.live_rows",
            ),
        ];
        let form = Form::new::<Self>("", |shape, seed| row_sum(shape, Values::new(seed)));
        vec![form.mutations(&mistakes)]
    }
}

fn row_sum(shape: [usize; 3], mut values: Values) -> Result<Case> {
    let [rows, _, units] = shape;
    let mut case = Case::new(shape);
    let input = case.table.activation("input", units)?;
    let output = case.table.activation("output", 1)?;
    case.push(RowSum { input, output })?;
    let x = values.signed(rows * units);
    let size = |row: &[f64]| row.iter().map(|x| x.abs()).sum();
    case.expect(output, x.chunks(units).map(|row| bounds::dot(units, size(row))).collect());
    case.fill(input, x);
    Ok(case)
}
