// Everything is bound with an offset: the step by a dynamic one, the rest within larger buffers.
struct Shape {
    first: u32,
    second: u32,
    third: u32,
    fourth: u32,
}

@group(0) @binding(1) var<uniform> shape: Shape;
@group(0) @binding(2) var<storage, read> left: array<u32>;
@group(0) @binding(3) var<storage, read> right: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) local: u32) {
    let value = left[local] * shape.first + right[local / 4u][local % 4u] * shape.second;
    let lengths = arrayLength(&left) * shape.third + arrayLength(&right) * shape.fourth;
    output[step.number * 64u + local] = value + lengths + step.noise_0;
}
