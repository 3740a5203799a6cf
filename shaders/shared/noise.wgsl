// Random bits as a pure function of the step's noise, a layer and the index of a value: the same on
// the CPU (`random::noise`). Each round is a bijection of 32 bits (Wellons' lowbias32).
fn mixed(bits: u32) -> u32 {
    var x = bits;
    x = (x ^ (x >> 16u)) * 0x7feb352du;
    x = (x ^ (x >> 15u)) * 0x846ca68bu;
    return x ^ (x >> 16u);
}

fn noise(layer: u32, index: u32) -> u32 {
    return mixed(mixed(mixed(index ^ step.noise_0) + layer) ^ step.noise_1);
}

// Where the first value of a quad of this part lies in the whole batch.
fn place_in_batch(quad: u32) -> u32 {
    return (step.first_row * row_quads() + quad) * 4u;
}
