// Many invocations add to few numbers, which overflow, and keep the largest and the least of others.
@group(0) @binding(2) var<storage, read_write> sums: array<atomic<u32>>;
@group(0) @binding(3) var<storage, read_write> extremes: array<atomic<u32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let value = id.x * 2654435761u;
    atomicAdd(&sums[id.x % 16u], value);
    atomicMax(&extremes[0u], value);
    atomicMin(&extremes[1u], value);
}
