// Dynamic loss scaling: the columns of the buffer are those of `LossScale`.
@group(0) @binding(LOSS_SCALE) var<storage, read> loss_scale: array<f32>;

// What the gradient of the loss is multiplied by.
fn gradient_scale() -> f32 {
    return loss_scale[0];
}

// Whether gradients were not finite, so that the update changes nothing.
fn is_skipped() -> bool {
    return loss_scale[2] > 0.0;
}

// The learning rate, bias-corrected for the updates that were made.
fn step_size() -> f32 {
    return step.step_size * loss_scale[3];
}

// The bias correction of the root for these updates.
fn root_scale() -> f32 {
    return step.root_scale * loss_scale[4];
}
