// output[B,U] = expression(operands). The text before this, with the bindings and the function
// `mapped`, is made from the expression by src/operation/expression/text.rs.
@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = folded_index(id, groups);
    if (index >= step.live_rows * row_quads()) {
        return;
    }
    output[index] = Rows(live_or(mapped(index, index / row_quads()), index % row_quads(), 0.0));
}
