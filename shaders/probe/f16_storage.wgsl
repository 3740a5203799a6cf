// Four f16 are loaded and become f32, and four f32 are stored as f16.
@group(0) @binding(2) var<storage, read> halves: array<Rows>;
@group(0) @binding(3) var<storage, read> reals: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> loaded: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> stored: array<Rows>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    loaded[id.x] = vec4<f32>(halves[id.x]);
    stored[id.x] = Rows(reals[id.x]);
}
