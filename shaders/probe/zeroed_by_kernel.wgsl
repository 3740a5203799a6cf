// Each invocation zeroes places of workgroup memory that another one adds to.
@group(0) @binding(2) var<storage, read_write> output: array<u32>;

var<workgroup> sums: array<u32, 1024>;

@compute @workgroup_size(64)
fn main(
    @builtin(local_invocation_index) local: u32,
    @builtin(workgroup_id) group: vec3<u32>,
) {
    for (var turn = 0u; turn < 16u; turn += 1u) {
        sums[turn * 64u + 63u - local] = 0u;
    }
    workgroupBarrier();
    for (var turn = 0u; turn < 16u; turn += 1u) {
        sums[(local + turn) % 64u + turn * 64u] += local + turn + 1u;
    }
    workgroupBarrier();
    for (var turn = 0u; turn < 16u; turn += 1u) {
        let place = turn * 64u + local;
        output[group.x * 1024u + place] = sums[place];
    }
}
