//! What a model predicts.

/// Name and values `[samples, width]`, row-major, of each output.
pub type Predictions = Vec<(String, Vec<f32>)>;

/// The output of that name, without values.
pub(super) fn unfilled<T>((name, _): &(String, T)) -> (String, Vec<f32>) {
    (name.clone(), Vec::new())
}

/// Adds the values of further samples.
pub(super) fn extend(outputs: &mut Predictions, parts: Predictions) {
    for ((_, all), (_, part)) in outputs.iter_mut().zip(parts) {
        all.extend(part);
    }
}
