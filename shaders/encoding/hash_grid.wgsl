// output[B,U] = the features of input[B,D] in each level, one level beside the other.
@group(0) @binding(2) var<storage, read> input: array<Rows>;
@group(0) @binding(3) var<storage, read> table: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<Rows>;

fn columns() -> u32 {
    return shape.units;
}

fn level_of(number: u32) -> Level {
    return shape.levels[number];
}

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
    output[row * row_quads() + id.y] = Rows(grid_features(vec4<f32>(input[row]), id.y));
}
