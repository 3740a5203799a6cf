// matrix[label, predicted] += weight for each row of the batch. One invocation a label, which alone
// adds to that row of the matrix and takes the samples in their order: the same bits always.
@group(0) @binding(2) var<storage, read> labels: array<u32>;
@group(0) @binding(3) var<storage, read> predicted: array<u32>;
@group(0) @binding(5) var<storage, read_write> matrix: array<f32>;

@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let label = id.x;
    if (label >= shape.units) {
        return;
    }
    for (var row = 0u; row < step.live_rows; row += 1u) {
        // What is no class counts nowhere.
        if (labels[row] == label && predicted[row] < shape.units) {
            matrix[label * shape.units + predicted[row]] += row_weight(row);
        }
    }
}
