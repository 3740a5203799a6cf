// moments[B,2] = (mean, inverse) of each row of input[B,U], with inverse = 1 / sqrt(variance + epsilon);
// output[B,U] = (input - mean) * inverse * (gamma[U] + gamma_offset) + beta[U]. The mean comes first, as
// in batch_moments.wgsl.
@group(0) @binding(2) var<storage, read> input: array<Rows>;
@group(0) @binding(3) var<storage, read> gamma: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> beta: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> output: array<Rows>;
@group(0) @binding(6) var<storage, read_write> moments: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(
    @builtin(local_invocation_index) local: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let row = shared_row(local, group, groups);
    let first = row * row_quads();
    let quads = select(0u, row_quads(), row < step.live_rows);
    // The padding of the input is zero.
    var sums = vec4<f32>(0.0);
    for (var quad = first_quad(local); quad < quads; quad += LANES) {
        sums += vec4<f32>(input[first + quad]);
    }
    let mean = row_sum(local, sums) / f32(shape.units);
    var squares = vec4<f32>(0.0);
    for (var quad = first_quad(local); quad < quads; quad += LANES) {
        let difference = live_or(vec4<f32>(input[first + quad]) - mean, quad, 0.0);
        squares += difference * difference;
    }
    let variance = row_sum(local, squares) / f32(shape.units);
    let inverse = 1.0 / sqrt(variance + shape.epsilon);
    for (var quad = first_quad(local); quad < quads; quad += LANES) {
        let scaled = (vec4<f32>(input[first + quad]) - mean) * inverse * (gamma[quad] + shape.gamma_offset);
        output[first + quad] = Rows(live_or(scaled + beta[quad], quad, 0.0));
    }
    if (first_quad(local) == 0u && row < step.live_rows) {
        moments[row] = vec4<f32>(mean, inverse, 0.0, 0.0);
    }
}
