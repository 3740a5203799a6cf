// Sums over the units of a row. A workgroup takes four rows; the quads of each row are split between 16
// invocations. The order of a sum depends on the number of units alone.
const LANES: u32 = 16u;

var<workgroup> row_sums: array<f32, 64>;

// The row of an invocation; it may be beyond the live ones.
fn shared_row(local: u32, group: vec3<u32>, groups: vec3<u32>) -> u32 {
    return (group.y * groups.x + group.x) * 4u + local / LANES;
}

// The first quad of an invocation. It takes every sixteenth quad from there on.
fn first_quad(local: u32) -> u32 {
    return local % LANES;
}

// The sum of `values` over the invocations of a row. Each of them gets it.
fn row_sum(local: u32, values: vec4<f32>) -> f32 {
    // Every invocation has read the sum before this one.
    workgroupBarrier();
    row_sums[local] = (values.x + values.y) + (values.z + values.w);
    workgroupBarrier();
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        if (local % LANES < half) {
            row_sums[local] += row_sums[local + half];
        }
        workgroupBarrier();
    }
    return row_sums[local - local % LANES];
}
