// How many columns of the row that begins at `begin` come before `column`.
fn columns_before(begin: u32, column: u32) -> u32 {
    var before = 0u;
    for (var half = shape.half; half > 0u; half /= 2u) {
        let more = before + half;
        if more <= shape.most && input[begin + more - 1u] < column {
            before = more;
        }
    }
    return before;
}
