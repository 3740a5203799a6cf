// table_gradient[E,F] = sums[E,F], which become 0 for the next step. Four numbers an invocation.
struct Constants {
    length: u32,
    // Numbers before the padding.
    live: u32,
}

@group(0) @binding(1) var<uniform> constants: Constants;
@group(0) @binding(3) var<storage, read_write> sums: array<vec4<i32>>;
@group(0) @binding(4) var<storage, read_write> table_gradient: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = folded_index(id, groups);
    if (index >= constants.length / 4u) {
        return;
    }
    let first = sums[2u * index];
    let second = sums[2u * index + 1u];
    let lower = vec4<f32>(vec4<i32>(first.xz, second.xz));
    let upper = vec4<f32>(vec4<i32>(first.yw, second.yw));
    let unit = unit_of_sums();
    let values = (upper * 4294967296.0 + lower) * unit.inverse;
    // Where a gradient was not finite nothing was added, and all become NaN, so that it shows.
    let place = vec4<u32>(4u * index) + vec4<u32>(0u, 1u, 2u, 3u);
    let broken = bitcast<vec4<f32>>(select(vec4<u32>(), place | vec4<u32>(0x7fc00000u), place < vec4<u32>(constants.live)));
    table_gradient[index] = select(broken, values, unit.is_finite);
    sums[2u * index] = vec4<i32>();
    sums[2u * index + 1u] = vec4<i32>();
}
