// output[B,U] = the waves of each column of input[B,I], WAVES beside each other, after the input itself if
// that is a part of the output. Column `first` has the first wave.
override WAVES: u32;

struct Columns {
    inputs: u32,
    units: u32,
    first: u32,
}

@group(0) @binding(1) var<uniform> shape: Columns;
@group(0) @binding(2) var<storage, read> input: array<RowValue>;
@group(0) @binding(3) var<storage, read_write> output: array<Rows>;

// The rows of a batch along x, four columns of the output each along y.
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let row = id.x;
    if (row >= step.live_rows) {
        return;
    }
    let inputs = row * ((shape.inputs + 3u) / 4u * 4u);
    var values = vec4<f32>();
    for (var i = 0u; i < 4u; i += 1u) {
        let column = id.y * 4u + i;
        if (column < shape.first) {
            values[i] = f32(input[inputs + column]);
        } else if (column < shape.units) {
            let place = column - shape.first;
            values[i] = wave(f32(input[inputs + place / WAVES]), place % WAVES);
        }
    }
    output[row * row_quads() + id.y] = Rows(values);
}
