// The rows kernel of a fused step with four rows a workgroup. A column of the sums is a row of the batch.
const ROWS: u32 = 4u;
alias Sums = mat4x4<f32>;

fn batch_of_rows(group: u32, k: u32) -> Sums {
    return Sums(
        load_input(row_of_batch(group, 0u) * INPUTS + k),
        load_input(row_of_batch(group, 1u) * INPUTS + k),
        load_input(row_of_batch(group, 2u) * INPUTS + k),
        load_input(row_of_batch(group, 3u) * INPUTS + k),
    );
}

fn values_of_rows(at: u32) -> Sums {
    return Sums(
        values[at],
        values[at + VALUES],
        values[at + 2u * VALUES],
        values[at + 3u * VALUES],
    );
}

fn store_outputs(layer: Layer, group: u32, quad: u32, sums: Sums) {
    store_output(layer, group, 0u, quad, sums[0]);
    store_output(layer, group, 1u, quad, sums[1]);
    store_output(layer, group, 2u, quad, sums[2]);
    store_output(layer, group, 3u, quad, sums[3]);
}

fn store_gradients(layer: Layer, group: u32, quad: u32, sums: Sums) {
    store_gradient(layer, group, 0u, quad, sums[0]);
    store_gradient(layer, group, 1u, quad, sums[1]);
    store_gradient(layer, group, 2u, quad, sums[2]);
    store_gradient(layer, group, 3u, quad, sums[3]);
}
