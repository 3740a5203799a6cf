// The first of the two kernels of a fused step. A workgroup takes ROWS rows of the batch through the whole
// network: all layers forward, the loss, and the gradients of what the layers put out, backward. Between
// layers nothing leaves workgroup memory but what the second kernel needs.
//
// An invocation sums up four units (or, backward, four inputs) of all the workgroup's rows, so that it loads
// each weight once for all of them. Where a layer has fewer units than the workgroup has invocations, the sum
// is cut in parts, each of every `parts`-th step, and the parts are added up in a tree. Which term is added
// when depends on the layer alone, neither on the rows nor on their number.
//
// It begins with the batch, or with what the first layer puts out, which another kernel has computed.
//
// Text that is made for the network comes before this: THREADS, the constants below, `activated` and
// `derivative_of`, which take the number of an activation, and `main`, which calls the functions of this file.
@group(0) @binding(7) var<storage, read> parameters: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> handover: array<Rows>;

// What the layers put out: VALUES quads a row. Backward, the gradients take their places.
var<workgroup> values: array<vec4<f32>, VALUES * ROWS>;
var<workgroup> parts_of_sums: array<Sums, THREADS / 2u>;

// Sizes and places are counted in quads, groups of four floats.
struct Layer {
    // Of its input and of its output; `live_units` counts units.
    inputs: u32,
    units: u32,
    live_units: u32,
    // Where its parameters lie; the bias NOWHERE if it has none.
    weight: u32,
    bias: u32,
    // Where in a row of `values` its input and its output lie.
    input_at: u32,
    output_at: u32,
    // Where in a row of `handover` its output goes, unless it is the last layer, and its gradient.
    output_to: u32,
    gradient_to: u32,
    // The number of its activation.
    activation: u32,
}

// The row of the batch that is the workgroup's `row`-th. Beyond the live rows it is the last of them again,
// whose results are not stored.
fn row_of_batch(group: u32, row: u32) -> u32 {
    return min(group * ROWS + row, step.live_rows - 1u);
}

fn is_live(group: u32, row: u32) -> bool {
    return group * ROWS + row < step.live_rows;
}

// Adds up what the invocations of one quad have summed. The result is that of part 0. Called by all.
fn sum_of_parts(own: Sums, part: u32, parts: u32, quad: u32, quads: u32) -> Sums {
    var sums = own;
    for (var left = parts; left > 1u; left = (left + 1u) / 2u) {
        let half = (left + 1u) / 2u;
        if part >= half && part < left {
            parts_of_sums[(part - half) * quads + quad] = sums;
        }
        workgroupBarrier();
        if part < left - half {
            sums += parts_of_sums[part * quads + quad];
        }
        workgroupBarrier();
    }
    return sums;
}

// The weights of a quad of inputs and a quad of units; a column is an input.
fn weights_of(layer: Layer, input: u32, unit: u32) -> mat4x4<f32> {
    let at = layer.weight + 4u * input * layer.units + unit;
    return mat4x4<f32>(
        parameters[at],
        parameters[at + layer.units],
        parameters[at + 2u * layer.units],
        parameters[at + 3u * layer.units],
    );
}

// A quad of a layer's input, of all the workgroup's rows.
fn input_of_rows(layer: Layer, first: bool, group: u32, k: u32) -> Sums {
    if first {
        return batch_of_rows(group, k);
    }
    return values_of_rows(layer.input_at + k);
}

// What a layer makes of its input; the first layer's is that of the batch. Called by all.
fn forward(layer: Layer, first: bool, parts: u32, group: u32, local: u32) {
    let quad = local % layer.units;
    let part = local / layer.units;
    var sums = Sums();
    var k = part;
    if part < parts {
        // Four at a time, whose weights are on their way together.
        for (; k + 3u * parts < layer.inputs; k += 4u * parts) {
            let b0 = weights_of(layer, k, quad);
            let b1 = weights_of(layer, k + parts, quad);
            let b2 = weights_of(layer, k + 2u * parts, quad);
            let b3 = weights_of(layer, k + 3u * parts, quad);
            sums += b0 * input_of_rows(layer, first, group, k);
            sums += b1 * input_of_rows(layer, first, group, k + parts);
            sums += b2 * input_of_rows(layer, first, group, k + 2u * parts);
            sums += b3 * input_of_rows(layer, first, group, k + 3u * parts);
        }
        for (; k < layer.inputs; k += parts) {
            sums += weights_of(layer, k, quad) * input_of_rows(layer, first, group, k);
        }
    }
    sums = sum_of_parts(sums, part, parts, quad, layer.units);
    if part == 0u {
        store_outputs(layer, group, quad, sums);
    }
    workgroupBarrier();
}

fn store_output(layer: Layer, group: u32, row: u32, quad: u32, sum: vec4<f32>) {
    let live = vec4<u32>(4u * quad) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(layer.live_units);
    var offset = vec4<f32>();
    if layer.bias != NOWHERE {
        offset = parameters[layer.bias + quad];
    }
    let output = select(vec4<f32>(), activated(layer.activation, sum + offset), live);
    set_output(layer, group, row, quad, output);
}

// Keeps a quad of a layer's output, for this kernel and for the second one.
fn set_output(layer: Layer, group: u32, row: u32, quad: u32, output: vec4<f32>) {
    values[row * VALUES + layer.output_at + quad] = output;
    if layer.output_to != NOWHERE && is_live(group, row) {
        handover[row_of_batch(group, row) * HANDOVER + layer.output_to + quad] = Rows(output);
    }
}

// What a layer has put out in another kernel. Called by all.
fn take_outputs(layer: Layer, group: u32, local: u32) {
    for (var i = local; i < ROWS * layer.units; i += THREADS) {
        let row = i / layer.units;
        let quad = i % layer.units;
        set_output(layer, group, row, quad, load_input(row_of_batch(group, row) * INPUTS + quad));
    }
    workgroupBarrier();
}

// The loss of each row, and in the place of the last layer's output the gradient of that. Called by all.
fn judge_rows(layer: Layer, group: u32, local: u32) {
    if local < ROWS && is_live(group, local) {
        judge(row_of_batch(group, local), local * VALUES + layer.output_at);
    }
    workgroupBarrier();
    for (var i = local; i < ROWS * layer.units; i += THREADS) {
        let row = i / layer.units;
        if is_live(group, row) {
            let quad = i % layer.units;
            handover[row_of_batch(group, row) * HANDOVER + layer.gradient_to + quad] =
                Rows(values[row * VALUES + layer.output_at + quad]);
        }
    }
}

fn output_at(index: u32) -> vec4<f32> {
    return values[index];
}

fn set_gradient(index: u32, value: vec4<f32>) {
    values[index] = value;
}

// The gradient of a layer's input from that of its output. `before` is the layer whose output the input is.
// Called by all.
fn backward(layer: Layer, before: Layer, parts: u32, group: u32, local: u32) {
    // Neighbours take the parts of one quad, whose weights lie side by side.
    let quad = local / parts;
    let part = local % parts;
    var sums = Sums();
    if quad < layer.inputs {
        for (var n = part; n < layer.units; n += parts) {
            sums += transpose(weights_of(layer, quad, n)) * values_of_rows(layer.output_at + n);
        }
    }
    // A quad beyond the inputs has no place among the parts.
    sums = sum_of_parts(sums, select(parts, part, quad < layer.inputs), parts, quad, layer.inputs);
    if part == 0u && quad < layer.inputs {
        store_gradients(before, group, quad, sums);
    }
    workgroupBarrier();
}

// Beyond the last unit the weights are zero, and so is the gradient.
fn store_gradient(layer: Layer, group: u32, row: u32, quad: u32, sum: vec4<f32>) {
    let at = row * VALUES + layer.output_at + quad;
    let gradient = sum * derivative_of(layer.activation, values[at]);
    values[at] = gradient;
    if is_live(group, row) {
        handover[row_of_batch(group, row) * HANDOVER + layer.gradient_to + quad] = Rows(gradient);
    }
}
