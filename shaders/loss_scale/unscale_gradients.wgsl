// gradients /= loss_scale[0]; nonfinite = 1 if one of them is NaN or infinite then.
struct Constants {
    length: u32,
}

@group(0) @binding(1) var<uniform> constants: Constants;
@group(0) @binding(2) var<storage, read> loss_scale: array<f32>;
@group(0) @binding(3) var<storage, read_write> gradients: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> nonfinite: array<atomic<u32>>;

const EXPONENT: u32 = 0x7f800000u;

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = folded_index(id, groups);
    if (index >= constants.length / 4u) {
        return;
    }
    // The scale is a power of two, so nothing is rounded.
    let g = gradients[index] * (1.0 / loss_scale[0]);
    gradients[index] = g;
    // WGSL may assume that there is no NaN, so only the bits tell.
    let exponent = bitcast<vec4<u32>>(g) & vec4<u32>(EXPONENT);
    if (any(exponent == vec4<u32>(EXPONENT))) {
        atomicStore(&nonfinite[0], 1u);
    }
}
