// What kernels over each element of [B,U] share: four of a row an invocation, over the rows' padding
// too, which they must leave zero.
fn row_quads() -> u32 {
    return (shape.units + 3u) / 4u;
}
