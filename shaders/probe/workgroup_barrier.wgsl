// A square of 16x16 values is transposed through workgroup memory again and again: each value passes from one
// invocation to another.
@group(0) @binding(2) var<storage, read_write> output: array<u32>;

var<workgroup> square: array<u32, 256>;

@compute @workgroup_size(256)
fn main(
    @builtin(local_invocation_index) local: u32,
    @builtin(workgroup_id) group: vec3<u32>,
) {
    var value = group.x * 256u + local;
    for (var turn = 0u; turn < 6u; turn += 1u) {
        square[local] = value;
        workgroupBarrier();
        value = square[local % 16u * 16u + local / 16u] * 3u + turn;
        workgroupBarrier();
    }
    output[group.x * 256u + local] = value;
}
