//! Expressions and their derivatives, against plain Rust and finite differences in f64.

use super::{Expression, Formula, Term};

type Function = fn(f64, f64) -> f64;

/// Expressions of `x` and `y`, with the same in plain Rust.
fn examples() -> Vec<(Expression, Function)> {
    let [x, y] = &Expression::operands();
    let focal = -((1.0 - x).powf(2.5) * x.ln());
    let quantile = (x - y).if_positive((x - y) * 0.9, (y - x) * 0.1);
    vec![
        (x + y * 2.0 - 1.0, |x, y| x + y * 2.0 - 1.0),
        (x * y / (x + 3.0), |x, y| x * y / (x + 3.0)),
        (2.0 / x - 1.0 / (y + x), |x, y| 2.0 / x - 1.0 / (y + x)),
        (-(x.abs() + (-y).abs()), |x, y| -(x.abs() + y.abs())),
        (y.sign() * x.min(y) + y.max(x), |x, y| y.signum() * x.min(y) + y.max(x)),
        (x.exp() * y.ln() + x.sqrt(), |x, y| x.exp() * y.ln() + x.sqrt()),
        (x.tanh() * y.sigmoid(), |x, y| x.tanh() / (1.0 + (-y).exp())),
        (x.powf(3.0) + y.powf(-2.0), |x, y| x.powi(3) + y.powi(-2)),
        (x.powf(0.5) + y.powf(-0.5), |x, y| x.sqrt() + 1.0 / y.sqrt()),
        (x.powf(1.75) * x.powf(-0.3), |x, _| x.powf(1.45)),
        (focal, |x, _| -(1.0 - x).powf(2.5) * x.ln()),
        (quantile, |x, y| if x > y { (x - y) * 0.9 } else { (y - x) * 0.1 }),
    ]
}

const PLACES: [[f64; 2]; 4] = [[0.4, 0.7], [0.9, 0.2], [0.15, 0.95], [0.6, 0.55]];

fn value(formula: &Formula, operands: [f64; 2]) -> f64 {
    formula.evaluate(&operands, &mut Vec::new())
}

#[test]
fn expressions_compute_what_their_operators_say() {
    for (expression, function) in examples() {
        let formula = Formula::new(&expression).unwrap();
        for [x, y] in PLACES {
            let (actual, expected) = (value(&formula, [x, y]), function(x, y));
            let error = (actual - expected).abs();
            assert!(error < 1e-13, "{formula:?} at {x}, {y}: {actual}, not {expected}");
        }
    }
}

#[test]
fn derivatives_are_the_slopes() {
    const STEP: f64 = 1e-4;
    for (expression, _) in examples() {
        let formula = Formula::new(&expression).unwrap();
        for (by, place) in [0, 1].into_iter().flat_map(|by| PLACES.map(|place| (by, place))) {
            let at = |steps: f64| {
                let mut place = place;
                place[by] += steps * STEP;
                value(&formula, place)
            };
            // Central differences of fourth order.
            let slope = (8.0 * (at(1.0) - at(-1.0)) - (at(2.0) - at(-2.0))) / (12.0 * STEP);
            let derivative = formula.derivative(by).map_or(0.0, |slope| value(&slope, place));
            let error = (derivative - slope).abs();
            assert!(
                error < 1e-9 * (1.0 + slope.abs()),
                "{formula:?} by {by} at {place:?}: {derivative}, not {slope}"
            );
        }
    }
}

/// A chain in which each link uses the one before it twice has 2^40 paths, but few terms.
#[test]
fn shared_parts_are_computed_once() {
    let mut expression = Expression::operand(0);
    for _ in 0..40 {
        expression = (&expression * &expression).tanh();
    }
    let formula = Formula::new(&expression).unwrap();
    assert_eq!(formula.terms().len(), 81);
    assert!(formula.derivative(0).unwrap().terms().len() < 81 * 5);
}

#[test]
fn what_changes_no_value_is_left_out() {
    let [x, y] = &Expression::operands();
    let terms = |expression: &Expression| Formula::new(expression).unwrap().terms().to_vec();
    let alone = vec![Term::Operand(0)];
    assert_eq!(terms(&(x * 1.0 + 0.0)), alone);
    assert_eq!(terms(&(-(-x) / 1.0 - 0.0)), alone);
    assert_eq!(terms(&x.powf(1.0)), alone);
    assert_eq!(terms(&Expression::from(2.0).if_positive(x, y)), alone);
    assert_eq!(terms(&(Expression::from(2.0) * 3.0)), vec![Term::Constant(6.0)]);
    assert!(Formula::new(&(x + y)).unwrap().derivative(2).is_none());
    // NaN · 0 is NaN.
    assert_eq!(terms(&(x * 0.0)).len(), 3);
}

#[test]
fn operands_are_found_and_renumbered() {
    let [_, x, _, y] = &Expression::operands();
    let formula = Formula::new(&(y - x)).unwrap();
    let used = formula.operands();
    assert_eq!(used, [1, 3]);
    let formula = formula.renumbered(&used);
    assert_eq!(value(&formula, [1.0, 5.0]), 4.0);
    assert_eq!(value(&formula.times(0), [2.0, 5.0]), 6.0);
}

#[test]
fn nan_stays_nan() {
    let [x, y] = &Expression::operands();
    let one = || Expression::from(1.0);
    for expression in [
        x.abs(),
        x.sign(),
        x.min(y),
        y.min(x),
        x.max(y),
        y.max(x),
        x.if_positive(one(), one()),
        x.powf(1.5),
        x.sigmoid(),
        y.ln(),
        y.sqrt(),
        y.powf(0.3),
    ] {
        let formula = Formula::new(&expression).unwrap();
        assert!(value(&formula, [f64::NAN, -1.0]).is_nan(), "{formula:?}");
    }
}

#[test]
fn what_is_nested_too_deeply_is_refused() {
    let mut expression = Expression::operand(0);
    for _ in 1..Expression::MOST_DEPTH {
        expression = expression.tanh();
    }
    Formula::new(&expression).unwrap();
    for _ in 0..100_000 {
        expression = expression + 1.0;
    }
    let error = Formula::new(&expression).unwrap_err().to_string();
    assert!(error.contains("nested deeper than 500"), "{error}");
}
