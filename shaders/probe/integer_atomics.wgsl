// Many invocations add to few sums of two words, which overflow from the lower into the upper one, and each draws
// a number that no other one has.
@group(0) @binding(2) var<storage, read_write> sums: array<atomic<i32>>;
@group(0) @binding(3) var<storage, read_write> drawn: array<atomic<u32>>;
@group(0) @binding(4) var<storage, read_write> numbers: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let place = id.x / 4u % 16u;
    let value = i32(id.x * 2654435761u) >> 2u;
    let before = atomicAdd(&sums[2u * place], value);
    let after = before + value;
    if ((before ^ after) & (value ^ after)) < 0 {
        atomicAdd(&sums[2u * place + 1u], select(1, -1, value < 0));
    }
    numbers[id.x] = atomicAdd(&drawn[0], 1u);
}
