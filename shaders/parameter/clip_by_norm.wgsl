// gradient *= limit / max(norm, limit); squared_norm[0] holds the square of the norm.
struct Constants {
    length: u32,
    limit: f32,
}

@group(0) @binding(1) var<uniform> constants: Constants;
@group(0) @binding(2) var<storage, read> squared_norm: array<f32>;
@group(0) @binding(3) var<storage, read_write> gradient: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = folded_index(id, groups);
    if (index >= constants.length / 4u) {
        return;
    }
    let norm = sqrt(squared_norm[0]);
    if (norm > constants.limit) {
        gradient[index] *= constants.limit / norm;
    }
}
