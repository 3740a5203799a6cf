// What an invocation learns of its subgroup: its lane, the size, and what the first four lanes hold.
@group(0) @binding(2) var<storage, read_write> output: array<vec4<u32>>;

@compute @workgroup_size(THREADS)
fn main(
    @builtin(local_invocation_index) local: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(subgroup_invocation_id) lane: u32,
    @builtin(subgroup_size) size: u32,
) {
    let own = vec4<f32>(f32(local), f32(local) + 0.25, f32(local) + 0.5, f32(local) + 0.75);
    let values = subgroupBroadcast(own, 3u);
    let firsts = vec4<u32>(
        subgroupBroadcast(local, 0u),
        subgroupBroadcast(local, 1u),
        subgroupBroadcast(local, 2u),
        subgroupBroadcast(local, 3u),
    );
    let place = 3u * (group.x * THREADS + local);
    output[place] = vec4<u32>(lane, size, local, group.x);
    output[place + 1u] = firsts;
    output[place + 2u] = bitcast<vec4<u32>>(values);
}
