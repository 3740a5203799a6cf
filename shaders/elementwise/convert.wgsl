// output[B,C] = input[B,C] * scale, bytes to f32, four bytes an invocation.
struct Constants {
    columns: u32,
    pad0: u32,
    scale: f32,
    pad1: u32,
}

@group(0) @binding(1) var<uniform> constants: Constants;
@group(0) @binding(2) var<storage, read> input: array<u32>;
@group(0) @binding(3) var<storage, read_write> output: array<Rows>;

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = folded_index(id, groups);
    if (index >= step.live_rows * ((constants.columns + 3u) / 4u)) {
        return;
    }
    // The padding bytes of a row are zero, and so is what becomes of them.
    let bytes = (vec4<u32>(input[index]) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(255u);
    output[index] = Rows(vec4<f32>(bytes) * constants.scale);
}
