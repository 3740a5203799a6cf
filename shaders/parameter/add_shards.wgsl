// gradients = kept + gradients, four values an invocation, where numbers below the normal range of f32
// are 0.
struct Constants {
    length: u32,
}

@group(0) @binding(1) var<uniform> constants: Constants;
@group(0) @binding(2) var<storage, read> kept: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> gradients: array<vec4<f32>>;

const EXPONENT = vec4<u32>(0x7f800000u);

fn normal(x: vec4<f32>) -> vec4<f32> {
    let bits = bitcast<vec4<u32>>(x);
    let below = (bits & EXPONENT) == vec4<u32>(0u);
    return bitcast<vec4<f32>>(select(bits, vec4<u32>(0u), below));
}

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = folded_index(id, groups);
    if (index >= constants.length / 4u) {
        return;
    }
    let sum = normal(kept[index]) + normal(gradients[index]);
    gradients[index] = normal(sum);
}
