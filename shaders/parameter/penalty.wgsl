// Adds what the regularizer of a weight costs, l1 * sum |w| + l2 * sum w^2, to penalty. The cost is
// multiplied by the live rows, as the host divides by the samples of all steps. The last element of
// penalty counts the calls and says which slot is next: each call adds to another slot, because nearly
// equal numbers added up in one slot would all be rounded alike. One workgroup; the order of the sum
// depends only on the length.
struct Constants {
    length: u32,
    l1: f32,
    l2: f32,
}

@group(0) @binding(1) var<uniform> constants: Constants;
@group(0) @binding(2) var<storage, read> weights: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> penalty: array<f32>;

const SLOTS: u32 = 1024u;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) local: u32) {
    var sum = vec4<f32>(0.0);
    for (var i = local; i < constants.length / 4u; i += 64u) {
        let w = weights[i];
        sum += constants.l1 * abs(w) + constants.l2 * w * w;
    }
    let cost = workgroup_sum(local, (sum.x + sum.y) + (sum.z + sum.w));
    if (local == 0u) {
        let count = u32(penalty[SLOTS]) % SLOTS;
        penalty[count] += cost * f32(step.live_rows);
        penalty[SLOTS] = f32(count + 1u);
    }
}
