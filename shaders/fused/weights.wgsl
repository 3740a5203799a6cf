// The second of the two kernels of a fused step. It sums up the gradients of weights and biases over the
// batch and lets the optimizer move the parameters, so that no gradient is stored. Each parameter belongs to
// one invocation.
//
// A workgroup takes 32 inputs x 32 units of one layer, a block of 4x4 weights each of 64 invocations, four
// times: part p sums every fourth row, from row p on. The rows are copied to workgroup memory in blocks of
// 32. Then the parts are added up, always in the same order, and each part moves a quarter of the weights.
// A bias is the weight of an input after the last one, which is always 1.
//
// Text that is made for the network comes before this: INPUTS, HANDOVER, and `layer_of`, which tells of a
// workgroup its layer and its tile. So does the optimizer's text, which has `learn`.

// Sizes and places are counted in quads, groups of four floats.
struct Layer {
    inputs: u32,
    units: u32,
    // Where its parameters lie; the bias NOWHERE if it has none.
    weight: u32,
    bias: u32,
    // Where in a row of `handover` its input lies; NOWHERE for that of the batch.
    input_at: u32,
    // Where in a row of `handover` the gradient of its output lies.
    gradient_at: u32,
    // The number of the layer's first workgroup.
    begin: u32,
}

// 32 rows x 8 quads of inputs, then as many of gradients; later the sums of two parts.
var<workgroup> staged: array<vec4<f32>, 512>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let layer = layer_of(group.x);
    let tiles_across = (layer.units + 7u) / 8u;
    let tile = group.x - layer.begin;
    let first_input = tile / tiles_across * 8u;
    let first_unit = tile % tiles_across * 8u;

    let part = local / 64u;
    let block = local % 64u;
    let down = block / 8u;
    let across = block % 8u;

    // What this invocation copies of each block of rows: a quad of input and a quad of gradient.
    // Past the end it repeats the last one, so that every load is in bounds; such sums are not used.
    let copied_row = local / 8u;
    let copied_input = min(first_input + local % 8u, layer.inputs);
    let copied_unit = min(first_unit + local % 8u, layer.units - 1u);

    var sums = mat4x4<f32>();
    for (var start = 0u; start < step.live_rows; start += 32u) {
        let rows = min(32u, step.live_rows - start);
        if copied_row < rows {
            let row = start + copied_row;
            staged[local] = input_quad(layer, row, copied_input);
            staged[256u + local] =
                vec4<f32>(handover[row * HANDOVER + layer.gradient_at + copied_unit]);
        }
        workgroupBarrier();
        for (var row = part; row < rows; row += 4u) {
            let a = staged[row * 8u + down];
            let b = staged[256u + row * 8u + across];
            sums += mat4x4<f32>(b * a.x, b * a.y, b * a.z, b * a.w);
        }
        workgroupBarrier();
    }

    if part >= 2u {
        store_sums(part - 2u, block, sums);
    }
    workgroupBarrier();
    if part < 2u {
        sums += sums_of(part, block);
    }
    workgroupBarrier();
    if part < 2u {
        store_sums(part, block, sums);
    }
    workgroupBarrier();

    // Part p has the gradients of input p of the four.
    let g = staged[4u * block + part] + staged[256u + 4u * block + part];
    let input = first_input + down;
    let unit = first_unit + across;
    if unit < layer.units {
        // The inputs that round them up to a multiple of four are zero, and so are the gradients of their
        // weights, which stay zero.
        if input < layer.inputs {
            learn(layer.weight + (4u * input + part) * layer.units + unit, g);
        } else if input == layer.inputs && part == 0u && layer.bias != NOWHERE {
            learn(layer.bias + unit, g);
        }
    }
}

fn input_quad(layer: Layer, row: u32, quad: u32) -> vec4<f32> {
    if quad == layer.inputs {
        return vec4<f32>(1.0, 0.0, 0.0, 0.0);
    }
    if layer.input_at == NOWHERE {
        return load_input(row * INPUTS + quad);
    }
    return vec4<f32>(handover[row * HANDOVER + layer.input_at + quad]);
}

fn store_sums(half: u32, block: u32, sums: mat4x4<f32>) {
    let at = half * 256u + 4u * block;
    staged[at] = sums[0];
    staged[at + 1u] = sums[1];
    staged[at + 2u] = sums[2];
    staged[at + 3u] = sums[3];
}

fn sums_of(half: u32, block: u32) -> mat4x4<f32> {
    let at = half * 256u + 4u * block;
    return mat4x4<f32>(staged[at], staged[at + 1u], staged[at + 2u], staged[at + 3u]);
}
