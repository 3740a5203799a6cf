// output[B,U] = input[B,U] + standard_deviation * z, with z of the standard normal distribution.
struct Constants {
    units: u32,
    standard_deviation: f32,
    layer: u32,
}

@group(0) @binding(1) var<uniform> shape: Constants;
@group(0) @binding(2) var<storage, read> input: array<Rows>;
@group(0) @binding(3) var<storage, read_write> output: array<Rows>;

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = folded_index(id, groups);
    if (index >= step.live_rows * row_quads()) {
        return;
    }
    var z = vec4<f32>(0.0);
    for (var i = 0u; i < 4u; i += 1u) {
        z[i] = standard_normal(noise(shape.layer, place_in_batch(index) + i));
    }
    output[index] = Rows(live_or(vec4<f32>(input[index]) + shape.standard_deviation * z, index % row_quads(), 0.0));
}
