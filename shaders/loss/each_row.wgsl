// A loss of outputs[B,U] by itself, one row an invocation. The file of the loss has `judge`.
@group(0) @binding(2) var<storage, read> outputs: array<Rows>;
@group(0) @binding(7) var<storage, read_write> gradient: array<Rows>;

fn output_at(index: u32) -> vec4<f32> {
    return vec4<f32>(outputs[index]);
}

fn set_gradient(index: u32, value: vec4<f32>) {
    gradient[index] = Rows(value);
}

@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let row = id.x;
    if (row >= step.live_rows) {
        return;
    }
    judge(row, row * ((shape.units + 3u) / 4u));
}
