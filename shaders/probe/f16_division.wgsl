// Quotients of f16.
@group(0) @binding(2) var<storage, read> dividends: array<f16>;
@group(0) @binding(3) var<storage, read> divisors: array<f16>;
@group(0) @binding(4) var<storage, read_write> quotients: array<f16>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    quotients[id.x] = dividends[id.x] / divisors[id.x];
}
