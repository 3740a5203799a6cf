// input_gradient[B,D] = the sum over levels, corners and features of output_gradient * table * the derivative of
// the corner's share. One row an invocation.
@group(0) @binding(2) var<storage, read> output_gradient: array<RowValue>;
@group(0) @binding(3) var<storage, read> input: array<Rows>;
@group(0) @binding(4) var<storage, read> table: array<f32>;
@group(0) @binding(5) var<storage, read_write> input_gradient: array<Rows>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let row = id.x;
    if (row >= step.live_rows) {
        return;
    }
    let position = vec4<f32>(input[row]);
    var slopes = vec4<f32>();
    for (var column = 0u; column < shape.units; column += FEATURES) {
        let level = shape.levels[column / FEATURES];
        let gradients = row * row_quads() * 4u + column;
        let cell = cell_of(position, level);
        for (var number = 0u; number < (1u << DIMENSIONS); number += 1u) {
            let sides = sides_of(number);
            let shares = shares_of(cell.offset, sides);
            let first = entry_of(cell.corner + sides, level) * FEATURES;
            var value = 0.0;
            for (var i = 0u; i < FEATURES; i += 1u) {
                value += f32(output_gradient[gradients + i]) * table[first + i];
            }
            value *= f32(level.resolution);
            for (var i = 0u; i < DIMENSIONS; i += 1u) {
                var slope = select(-value, value, sides[i] == 1u);
                for (var j = 0u; j < DIMENSIONS; j += 1u) {
                    slope *= select(shares[j], 1.0, i == j);
                }
                slopes[i] += slope;
            }
        }
    }
    // Beyond the unit cube nothing changes.
    let is_within = position == clamp(position, vec4<f32>(), vec4<f32>(1.0));
    input_gradient[row] = Rows(select(vec4<f32>(), slopes, is_within));
}
