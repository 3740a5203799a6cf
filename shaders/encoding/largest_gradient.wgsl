// largest[SLOTS] = the largest size of a value of gradient[B,U], over the rows of each slot: every sixteenth one.
// One workgroup a slot. Sizes are compared by their bits, which ascend with them, up to infinity and NaN.
const SLOTS: u32 = 16u;

@group(0) @binding(2) var<storage, read> gradient: array<Rows>;
@group(0) @binding(3) var<storage, read_write> largest: array<f32>;

var<workgroup> found: array<u32, 64>;

@compute @workgroup_size(64)
fn main(
    @builtin(local_invocation_index) local: u32,
    @builtin(workgroup_id) group: vec3<u32>,
) {
    let slot = group.x;
    let quads = row_quads();
    // `slot` is less than SLOTS.
    let rows = (step.live_rows + SLOTS - 1u - slot) / SLOTS;
    var most = vec4<u32>();
    for (var index = local; index < rows * quads; index += 64u) {
        let row = index / quads * SLOTS + slot;
        let values = vec4<f32>(gradient[row * quads + index % quads]);
        most = max(most, bitcast<vec4<u32>>(values) & vec4<u32>(0x7fffffffu));
    }
    found[local] = max(max(most.x, most.y), max(most.z, most.w));
    workgroupBarrier();
    for (var half = 32u; half > 0u; half /= 2u) {
        if (local < half) {
            found[local] = max(found[local], found[local + half]);
        }
        workgroupBarrier();
    }
    if (local == 0u) {
        largest[slot] = bitcast<f32>(found[0]);
    }
}
