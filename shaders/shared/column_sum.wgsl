// Sums of columns over the rows of a batch. A workgroup takes four quads of columns; 16 invocations
// share out the rows of each. The order of a sum depends on the number of rows alone.
const LANES: u32 = 16u;

var<workgroup> column_sums: array<vec4<f32>, 64>;

// The quad of an invocation; it may be beyond the last one.
fn column_quad(local: u32, group: vec3<u32>, groups: vec3<u32>) -> u32 {
    return (group.y * groups.x + group.x) * 4u + local % 4u;
}

// The first of an invocation's rows, from which each sixteenth is its own.
fn first_row(local: u32) -> u32 {
    return local / 4u;
}

// The sum of `value` over the invocations of a quad, for all of them.
fn column_sum(local: u32, value: vec4<f32>) -> vec4<f32> {
    // All have read the sum of before.
    workgroupBarrier();
    column_sums[local] = value;
    workgroupBarrier();
    for (var half = 32u; half >= 4u; half /= 2u) {
        if (local < half) {
            column_sums[local] += column_sums[local + half];
        }
        workgroupBarrier();
    }
    return column_sums[local % 4u];
}
