//! One-way analysis of variance: how well a feature's value tells the classes apart.

/// The F-value of one feature: its variance between the classes over that within them, in f64. The
/// same value scaled by a constant has the same F-value.
///
/// - `sums`: for each class the sum of the feature's values;
/// - `samples`: for each class how many samples it has; a class without any is left out;
/// - `squares`: the sum of the squares of all values.
///
/// NaN if the feature has one value everywhere, infinite if it has one value in each class. Computed
/// in the order of scikit-learn's `f_classif`, so that features that tie there tie here.
#[must_use]
pub fn f_value(sums: &[f64], samples: &[u64], squares: f64) -> f64 {
    let classes = || {
        let classes = sums.iter().zip(samples).filter(|(_, samples)| **samples > 0);
        classes.map(|(&sum, &samples)| (sum, samples as f64))
    };
    let count: f64 = classes().map(|(_, samples)| samples).sum();
    let total: f64 = classes().map(|(sum, _)| sum).sum();
    let of_mean = total * total / count;
    let between = classes().map(|(sum, samples)| sum * sum / samples).sum::<f64>() - of_mean;
    // Neither can be below 0 but by rounding, which would turn the best feature into the worst.
    let within = (squares - of_mean - between).max(0.0);
    let groups = classes().count() as f64;
    (between / (groups - 1.0)) / (within / (count - groups))
}
