// The sizes of a dense layer over sparse rows, made once. A row has `most` words with the columns of its
// values, ascending, and then `most` with the values; unused places come last, and hold a column beyond all
// others. `half` is the largest power of two that is at most `most`. Where a kernel cuts the columns of the
// input in slices, `slice` is how many of them are one, a multiple of four.
struct Shape {
    inputs: u32,
    units: u32,
    most: u32,
    half: u32,
    slice: u32,
    pad_0: u32,
    pad_1: u32,
    pad_2: u32,
}

@group(0) @binding(1) var<uniform> shape: Shape;
@group(0) @binding(2) var<storage, read> input: array<u32>;

// Where the words of a row begin.
fn row_begin(row: u32) -> u32 {
    return row * 2u * shape.most;
}

// The value whose column stands at `place`.
fn value_at(place: u32) -> f32 {
    return bitcast<f32>(input[place + shape.most]);
}
