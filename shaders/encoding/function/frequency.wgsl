// One wave of the frequency encoding of x: sin(2^k pi x) in an even column, cos(2^k pi x) in an odd one,
// with k = column / 2. WGSL promises nothing of the sine and cosine of large arguments, and little of those
// of small ones. So the argument is counted in turns of 2 pi: as 2^(k-1) is a power of two, x * 2^(k-1) is
// exact, and so is what is left of it after quarters of a turn. Taylor's polynomials do the rest, up to an
// eighth of a turn.
const TURN: f32 = 6.283185307179586;

fn wave(x: f32, column: u32) -> f32 {
    let bits = bitcast<u32>(x) & 0x7fffffffu;
    if (bits >= 0x7f800000u) {
        return x;
    }
    // 2^(k-1) has no fraction and the exponent k - 1.
    let turns = x * bitcast<f32>((126u + column / 2u) << 23u);
    let quarter = round(4.0 * turns);
    let y = TURN * (turns - 0.25 * quarter);
    let z = y * y;
    let of_sine = 1.0 + z * (-1.0 / 6.0 + z * (1.0 / 120.0 + z * (-1.0 / 5040.0 + z / 362880.0)));
    let of_cosine = -1.0 / 2.0 + z * (1.0 / 24.0 + z * (-1.0 / 720.0 + z * (1.0 / 40320.0 - z / 3628800.0)));
    // Quarters that are too many for an i32 are a multiple of four, and so is what they are clamped to. The
    // cosine is the sine a quarter later.
    let quadrant = u32(i32(quarter)) + column % 2u;
    let size = select(y * of_sine, 1.0 + z * of_cosine, quadrant % 2u == 1u);
    return select(size, -size, (quadrant & 2u) == 2u);
}
