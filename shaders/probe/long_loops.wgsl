// A loop of many turns, as long as the host says.
struct Shape {
    turns: u32,
    length: u32,
    pad_0: u32,
    pad_1: u32,
}

@group(0) @binding(1) var<uniform> shape: Shape;
@group(0) @binding(2) var<storage, read> values: array<u32>;
@group(0) @binding(3) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) local: u32) {
    var sum = 0u;
    for (var turn = 0u; turn < shape.turns; turn += 1u) {
        sum += values[(turn + local) % shape.length];
    }
    output[local] = sum;
}
