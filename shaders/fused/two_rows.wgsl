// The rows kernel of a fused step with two rows a workgroup. A column of the sums is a row of the batch.
const ROWS: u32 = 2u;
alias Sums = mat2x4<f32>;

fn batch_of_rows(group: u32, k: u32) -> Sums {
    return Sums(
        load_input(row_of_batch(group, 0u) * INPUTS + k),
        load_input(row_of_batch(group, 1u) * INPUTS + k),
    );
}

fn values_of_rows(at: u32) -> Sums {
    return Sums(values[at], values[at + VALUES]);
}

fn store_outputs(layer: Layer, group: u32, quad: u32, sums: Sums) {
    store_output(layer, group, 0u, quad, sums[0]);
    store_output(layer, group, 1u, quad, sums[1]);
}

fn store_gradients(layer: Layer, group: u32, quad: u32, sums: Sums) {
    store_gradient(layer, group, 0u, quad, sums[0]);
    store_gradient(layer, group, 1u, quad, sums[1]);
}
