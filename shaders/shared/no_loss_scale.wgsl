// Nothing is scaled, and every step updates the parameters: see `loss_scale.wgsl`.
fn gradient_scale() -> f32 {
    return 1.0;
}

fn is_skipped() -> bool {
    return false;
}

fn step_size() -> f32 {
    return step.step_size;
}

fn root_scale() -> f32 {
    return step.root_scale;
}
