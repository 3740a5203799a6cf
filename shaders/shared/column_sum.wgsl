// Sums of columns over the rows of a batch. A workgroup takes four quads of columns; the rows of each
// quad are split between 16 invocations. The order of a sum depends on the number of rows alone.
const LANES: u32 = 16u;

var<workgroup> column_sums: array<vec4<f32>, 64>;

// The quad of an invocation; it may be beyond the last one.
fn column_quad(local: u32, group: vec3<u32>, groups: vec3<u32>) -> u32 {
    return (group.y * groups.x + group.x) * 4u + local % 4u;
}

// The first row of an invocation. It takes every sixteenth row from there on.
fn first_row(local: u32) -> u32 {
    return local / 4u;
}

// The sum of `value` over the invocations of a quad. Each of them gets it.
fn column_sum(local: u32, value: vec4<f32>) -> vec4<f32> {
    // Every invocation has read the sum before this one.
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
