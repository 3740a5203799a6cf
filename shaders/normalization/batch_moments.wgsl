// mean[U] and variance[U] of input[B,U] over the live rows. The mean comes first: a sum of squares from
// which the mean is subtracted only afterwards would lose the digits in which the values differ. The
// padding of the input is zero, and so are its moments.
@group(0) @binding(2) var<storage, read> input: array<Rows>;
@group(0) @binding(3) var<storage, read_write> means: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> variances: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(
    @builtin(local_invocation_index) local: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let quads = row_quads();
    let quad = column_quad(local, group, groups);
    let rows = select(0u, step.live_rows, quad < quads);
    var sums = vec4<f32>(0.0);
    for (var row = first_row(local); row < rows; row += LANES) {
        sums += vec4<f32>(input[row * quads + quad]);
    }
    let mean = column_sum(local, sums) / f32(step.live_rows);
    var squares = vec4<f32>(0.0);
    for (var row = first_row(local); row < rows; row += LANES) {
        let difference = vec4<f32>(input[row * quads + quad]) - mean;
        squares += difference * difference;
    }
    let variance = column_sum(local, squares) / f32(step.live_rows);
    if (first_row(local) == 0u && quad < quads) {
        means[quad] = mean;
        variances[quad] = variance;
    }
}
