// weight_gradient[K, N] = input[M, K]^T * gradient[M, N] and bias_gradient[N] = the column sums of
// gradient[M, N]: what the tile kernels (tile.wgsl) have to know of it. Left is the transposed input, right the
// gradient.
@group(0) @binding(3) var<storage, read> gradient: array<Rows>;
@group(0) @binding(4) var<storage, read_write> weight_gradient: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> bias_gradient: array<vec4<f32>>;

const LEFT_ALONG_TERMS: bool = false;
const RIGHT_ALONG_TERMS: bool = false;
const SUMS_COLUMNS: bool = true;

// Terms are the rows of the batch.
fn term_quads() -> u32 {
    return (step.live_rows + 3u) / 4u;
}

// Inputs past the end repeat the last ones, so that every load is in bounds; the store drops the results.
fn load_left(quad: u32, term: u32) -> mat4x4<f32> {
    let depth = (shape.inputs + 3u) / 4u;
    let column = min(quad, depth - 1u);
    // Rows past the live ones hold garbage: zero takes its place.
    let zero = vec4<f32>();
    let last = step.live_rows - 1u;
    let row = 4u * term;
    return mat4x4<f32>(
        load_input(row * depth + column),
        select(zero, load_input(min(row + 1u, last) * depth + column), row + 1u < step.live_rows),
        select(zero, load_input(min(row + 2u, last) * depth + column), row + 2u < step.live_rows),
        select(zero, load_input(min(row + 3u, last) * depth + column), row + 3u < step.live_rows),
    );
}

// Units past the end repeat the last ones.
fn load_right(quad: u32, term: u32) -> mat4x4<f32> {
    let width = (shape.units + 3u) / 4u;
    let column = min(quad, width - 1u);
    let zero = vec4<f32>();
    let last = step.live_rows - 1u;
    let row = 4u * term;
    return mat4x4<f32>(
        vec4<f32>(gradient[row * width + column]),
        select(zero, vec4<f32>(gradient[min(row + 1u, last) * width + column]), row + 1u < step.live_rows),
        select(zero, vec4<f32>(gradient[min(row + 2u, last) * width + column]), row + 2u < step.live_rows),
        select(zero, vec4<f32>(gradient[min(row + 3u, last) * width + column]), row + 3u < step.live_rows),
    );
}

// The weight has rows up to a multiple of four. Paddings come out as zero by themselves, their inputs and
// gradients being zero.
fn store(row: u32, column: u32, sums: vec4<f32>) {
    let width = (shape.units + 3u) / 4u;
    if row < (shape.inputs + 3u) / 4u * 4u && column < width {
        weight_gradient[row * width + column] = sums;
    }
}

fn store_column_sums(column: u32, sums: vec4<f32>) {
    if column < (shape.units + 3u) / 4u {
        bias_gradient[column] = sums;
    }
}
