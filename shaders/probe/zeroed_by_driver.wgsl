// Each invocation adds to a place of workgroup memory that another one has zeroed, if the memory is zeroed by all
// of them together. WGSL promises zeros; wgpu has the driver zero it, or writes code that does.
@group(0) @binding(2) var<storage, read_write> output: array<u32>;

var<workgroup> sums: array<atomic<u32>, 2048>;

@compute @workgroup_size(64)
fn main(
    @builtin(local_invocation_index) local: u32,
    @builtin(workgroup_id) group: vec3<u32>,
) {
    for (var turn = 0u; turn < 32u; turn += 1u) {
        atomicAdd(&sums[(local * 29u + turn * 64u + 7u) % 2048u], local + turn + 1u);
    }
    workgroupBarrier();
    for (var turn = 0u; turn < 32u; turn += 1u) {
        let place = turn * 64u + local;
        output[group.x * 2048u + place] = atomicLoad(&sums[place]);
    }
}
