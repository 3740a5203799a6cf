// input_gradient[M, K] = (gradient[M, N] * weights[K, N]^T) * activation_derivative(activated[M, K]), where
// activated is what the previous layer put out: what the tile kernels (tile.wgsl) have to know of it. Left is
// the gradient, right the weights.
@group(0) @binding(2) var<storage, read> gradient: array<Rows>;
@group(0) @binding(3) var<storage, read> weights: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> activated: array<Rows>;
@group(0) @binding(5) var<storage, read_write> input_gradient: array<Rows>;

const LEFT_ALONG_TERMS: bool = true;
const RIGHT_ALONG_TERMS: bool = true;
const SUMS_COLUMNS: bool = false;

// Terms are the units of the layer.
fn term_quads() -> u32 {
    return (shape.units + 3u) / 4u;
}

// Rows past the live ones repeat the last, so that every load is in bounds; the store drops the results.
fn load_left(quad: u32, term: u32) -> mat4x4<f32> {
    let width = term_quads();
    let last = step.live_rows - 1u;
    let row = 4u * quad;
    return transpose(mat4x4<f32>(
        vec4<f32>(gradient[min(row, last) * width + term]),
        vec4<f32>(gradient[min(row + 1u, last) * width + term]),
        vec4<f32>(gradient[min(row + 2u, last) * width + term]),
        vec4<f32>(gradient[min(row + 3u, last) * width + term]),
    ));
}

// Inputs past the end repeat the last ones.
fn load_right(quad: u32, term: u32) -> mat4x4<f32> {
    let width = term_quads();
    let last = (shape.inputs + 3u) / 4u - 1u;
    let at = 4u * min(quad, last) * width + term;
    return transpose(mat4x4<f32>(
        weights[at],
        weights[at + width],
        weights[at + 2u * width],
        weights[at + 3u * width],
    ));
}

// Past the live inputs the weights are zero, and so is the result.
fn store(row: u32, column: u32, sums: vec4<f32>) {
    let depth = (shape.inputs + 3u) / 4u;
    if row < step.live_rows && column < depth {
        let at = row * depth + column;
        input_gradient[at] = Rows(sums * activation_derivative(vec4<f32>(activated[at])));
    }
}

fn store_column_sums(column: u32, sums: vec4<f32>) {}
