// output[M, N] = activate(input[M, K] * weights[K, N] + bias[N]): what the tile kernels (tile.wgsl) have to
// know of it. Left is the input, right the weights.
@group(0) @binding(3) var<storage, read> weights: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> output: array<Rows>;

const LEFT_ALONG_TERMS: bool = true;
const RIGHT_ALONG_TERMS: bool = false;
const SUMS_COLUMNS: bool = false;

// Terms are the inputs of the layer.
fn term_quads() -> u32 {
    return (shape.inputs + 3u) / 4u;
}

// Rows past the live ones repeat the last, so that every load is in bounds; the store drops the results.
fn load_left(quad: u32, term: u32) -> mat4x4<f32> {
    let depth = term_quads();
    let last = step.live_rows - 1u;
    let row = 4u * quad;
    return transpose(mat4x4<f32>(
        load_input(min(row, last) * depth + term),
        load_input(min(row + 1u, last) * depth + term),
        load_input(min(row + 2u, last) * depth + term),
        load_input(min(row + 3u, last) * depth + term),
    ));
}

// Units past the end repeat the last ones.
fn load_right(quad: u32, term: u32) -> mat4x4<f32> {
    let width = (shape.units + 3u) / 4u;
    let at = 4u * term * width + min(quad, width - 1u);
    return mat4x4<f32>(
        weights[at],
        weights[at + width],
        weights[at + 2u * width],
        weights[at + 3u * width],
    );
}

// What lies past the live units becomes zero.
fn store(row: u32, column: u32, sums: vec4<f32>) {
    let width = (shape.units + 3u) / 4u;
    if row < step.live_rows && column < width {
        let live = vec4<u32>(4u * column) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(shape.units);
        let values = select(vec4<f32>(), activate(sums + bias[column]), live);
        output[row * width + column] = Rows(values);
    }
}

fn store_column_sums(column: u32, sums: vec4<f32>) {}
