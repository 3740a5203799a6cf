// output[B,U] = softmax(input[B,U]), one row an invocation.
@group(0) @binding(2) var<storage, read> input: array<Rows>;
@group(0) @binding(3) var<storage, read_write> output: array<Rows>;

@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let row = id.x;
    if (row >= step.live_rows) {
        return;
    }
    let quads = (shape.units + 3u) / 4u;
    let first = row * quads;
    var largest = LOWEST;
    for (var quad = 0u; quad < quads; quad += 1u) {
        let x = live_or(vec4<f32>(input[first + quad]), quad, LOWEST);
        largest = max(largest, max(max(x.x, x.y), max(x.z, x.w)));
    }
    var sums = vec4<f32>(0.0);
    for (var quad = 0u; quad < quads; quad += 1u) {
        sums += live_or(exp(vec4<f32>(input[first + quad]) - largest), quad, 0.0);
    }
    let sum = (sums.x + sums.y) + (sums.z + sums.w);
    for (var quad = 0u; quad < quads; quad += 1u) {
        output[first + quad] = Rows(live_or(exp(vec4<f32>(input[first + quad]) - largest) / sum, quad, 0.0));
    }
}
