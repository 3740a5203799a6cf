// The rows kernel of a fused step with one row a workgroup.
const ROWS: u32 = 1u;
alias Sums = vec4<f32>;

fn batch_of_rows(group: u32, k: u32) -> Sums {
    return load_input(row_of_batch(group, 0u) * INPUTS + k);
}

fn values_of_rows(at: u32) -> Sums {
    return values[at];
}

fn store_outputs(layer: Layer, group: u32, quad: u32, sums: Sums) {
    store_output(layer, group, 0u, quad, sums);
}

fn store_gradients(layer: Layer, group: u32, quad: u32, sums: Sums) {
    store_gradient(layer, group, 0u, quad, sums);
}
