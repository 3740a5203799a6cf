// What the metric kernels share: the sizes, made once, and what a row counts.
struct Shape {
    // Columns of the predictions; of a confusion matrix, its classes.
    units: u32,
    // 1 if a row counts its sample weight, 0 if it counts 1.
    weighted: u32,
    // The k of top_k, or the buckets of a histogram.
    count: u32,
    // What a prediction must be greater than to be positive, or the label smoothing.
    parameter: f32,
}

@group(0) @binding(1) var<uniform> shape: Shape;
@group(0) @binding(4) var<storage, read> sample_weights: array<f32>;

fn row_weight(row: u32) -> f32 {
    return select(1.0, sample_weights[row], shape.weighted == 1u);
}
