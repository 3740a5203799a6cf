// Whether the label is among the k largest of each row of values[B,U], the predictions. One row an
// invocation, and sums of its own: sums[B,2] += (weight * hit, weight).

// k is 1. Known when the kernel is compiled, as no branch may depend on a uniform alone.
override ONE: bool = false;

@group(0) @binding(3) var<storage, read> labels: array<u32>;
@group(0) @binding(5) var<storage, read_write> sums: array<vec2<f32>>;

@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let row = id.x;
    if (row >= step.live_rows) {
        return;
    }
    let quads = (shape.units + 3u) / 4u;
    // A label that is no class is no hit, and reads nothing outside its row.
    let label = min(labels[row], shape.units - 1u);
    let own = f32(values[row * quads + label / 4u][label % 4u]);
    var hit = label == labels[row] && !any_nonfinite(vec4<f32>(own));
    if (ONE) {
        // On a tie only the first one is the prediction.
        hit = hit && largest_place(row) == label;
    } else {
        let own_rank = ranks(row, label / 4u)[label % 4u];
        var greater = 0u;
        for (var quad = 0u; quad < quads; quad += 1u) {
            let ahead = ranks(row, quad) > vec4<u32>(own_rank);
            let counted = select(vec4<u32>(0u), vec4<u32>(1u), ahead);
            greater += (counted.x + counted.y) + (counted.z + counted.w);
        }
        hit = hit && greater < shape.count;
    }
    let weight = row_weight(row);
    sums[row] += vec2<f32>(select(0.0, weight, hit), weight);
}
