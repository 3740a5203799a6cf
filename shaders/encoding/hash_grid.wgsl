// output[B,U] = the features of input[B,D] in each level, one level beside the other.
@group(0) @binding(2) var<storage, read> input: array<Rows>;
@group(0) @binding(3) var<storage, read> table: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<Rows>;

fn table_value(place: u32) -> f32 {
    return table[place];
}

// The rows of a batch along x, four columns of the output each along y.
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let row = id.x;
    if (row >= step.live_rows) {
        return;
    }
    let position = vec4<f32>(input[row]);
    var values = vec4<f32>();
    for (var i = 0u; i < 4u; i += min(FEATURES, 4u)) {
        let column = id.y * 4u + i;
        if (column < shape.units) {
            let level = shape.levels[column / FEATURES];
            let features = level_features(position, level, column % FEATURES);
            for (var j = 0u; j < min(FEATURES, 4u); j += 1u) {
                values[i + j] = features[j];
            }
        }
    }
    output[row * row_quads() + id.y] = Rows(values);
}
