// The loss scale of the next step, and the bias corrections of this one: the formulas and the columns
// of the buffer are those of `AdjustLossScale` and `LossScale`. One invocation.
struct Constants {
    growth_steps: f32,
    one_minus_beta_1: f32,
    one_minus_beta_2: f32,
    corrects_root: u32,
}

@group(0) @binding(1) var<uniform> constants: Constants;
@group(0) @binding(2) var<storage, read_write> loss_scale: array<f32>;
@group(0) @binding(3) var<storage, read_write> nonfinite: array<u32>;

// 1 - beta^(t + 1) from 1 - beta^t.
fn advanced(correction: f32, one_minus_beta: f32) -> f32 {
    return correction + (1.0 - correction) * one_minus_beta;
}

@compute @workgroup_size(1)
fn main() {
    let finite = nonfinite[0] == 0u;
    nonfinite[0] = 0u;
    loss_scale[2] = select(1.0, 0.0, finite);
    let counted_1 = advanced(loss_scale[7], constants.one_minus_beta_1);
    let counted_2 = advanced(loss_scale[8], constants.one_minus_beta_2);
    loss_scale[7] = counted_1;
    loss_scale[8] = counted_2;
    if (!finite) {
        loss_scale[0] = max(0.5 * loss_scale[0], 0x1p-100f);
        loss_scale[1] = 0.0;
        loss_scale[9] += 1.0;
        return;
    }
    let correction_1 = advanced(loss_scale[5], constants.one_minus_beta_1);
    let correction_2 = advanced(loss_scale[6], constants.one_minus_beta_2);
    loss_scale[5] = correction_1;
    loss_scale[6] = correction_2;
    if (loss_scale[9] > 0.0) {
        let root = sqrt(counted_2 / correction_2);
        let of_first = counted_1 / correction_1;
        let in_root = constants.corrects_root == 1u;
        loss_scale[3] = select(of_first / root, of_first, in_root);
        loss_scale[4] = select(1.0, root, in_root);
    }
    let finite_steps = loss_scale[1] + 1.0;
    if (finite_steps >= constants.growth_steps) {
        loss_scale[0] = min(2.0 * loss_scale[0], 0x1p100f);
        loss_scale[1] = 0.0;
    } else {
        loss_scale[1] = finite_steps;
    }
}
