// sums[E,F] += output_gradient[B,U] * the share of each corner, in fixed point. Rows along x, levels along y.
@group(0) @binding(3) var<storage, read> output_gradient: array<RowValue>;
@group(0) @binding(4) var<storage, read> input: array<Rows>;
@group(0) @binding(5) var<storage, read_write> sums: array<atomic<i32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let row = id.x;
    let unit = unit_of_sums();
    if (row >= step.live_rows || !unit.is_finite) {
        return;
    }
    let level = shape.levels[id.y];
    let cell = cell_of(vec4<f32>(input[row]), level);
    let first = row * row_quads() * 4u + id.y * FEATURES;
    var gradients: array<f32, 8>;
    for (var i = 0u; i < FEATURES; i += 1u) {
        gradients[i] = f32(output_gradient[first + i]) * unit.scale;
    }
    for (var number = 0u; number < (1u << DIMENSIONS); number += 1u) {
        let sides = sides_of(number);
        let share = share_of(cell.offset, sides);
        let place = entry_of(cell.corner + sides, level) * FEATURES;
        for (var i = 0u; i < FEATURES; i += 1u) {
            add(place + i, i32(round(share * gradients[i])));
        }
    }
}

// The lower word wraps around where its sign changes though both numbers had the other one; then the upper word
// changes by one. Numbers are small enough for this to be seldom.
fn add(place: u32, value: i32) {
    if (value == 0) {
        return;
    }
    let before = atomicAdd(&sums[2u * place], value);
    let after = before + value;
    if (((before ^ after) & (value ^ after)) < 0) {
        atomicAdd(&sums[2u * place + 1u], select(1, -1, value < 0));
    }
}
