// Barriers in a loop whose length the host says, and in a branch that only some workgroups take.
struct Shape {
    // Invocations that add in the first turn.
    first: u32,
    // Only workgroups whose number is odd (1) or even (0) add.
    parity: u32,
    pad_0: u32,
    pad_1: u32,
}

@group(0) @binding(1) var<uniform> shape: Shape;
@group(0) @binding(2) var<storage, read_write> output: array<u32>;

var<workgroup> sums: array<u32, 128>;

@compute @workgroup_size(128)
fn main(
    @builtin(local_invocation_index) local: u32,
    @builtin(workgroup_id) group: vec3<u32>,
) {
    sums[local] = group.x * 128u + local;
    if group.x % 2u == shape.parity {
        workgroupBarrier();
        for (var half = shape.first; half > 0u; half /= 2u) {
            if local < half {
                sums[local] += sums[local + half];
            }
            workgroupBarrier();
        }
    }
    output[group.x * 128u + local] = sums[local];
}
