// The sum of one value of each of a workgroup's 64 invocations, in an order that is always the same;
// only invocation 0 may use it.
var<workgroup> sums: array<f32, 64>;

fn workgroup_sum(local: u32, value: f32) -> f32 {
    sums[local] = value;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half /= 2u) {
        if (local < half) {
            sums[local] += sums[local + half];
        }
        workgroupBarrier();
    }
    return sums[0];
}
