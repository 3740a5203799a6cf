// A number of the standard normal distribution from random bits: sqrt(2) * erfinv(x) of a uniform x in
// (-1, 1), with erfinv by Giles' polynomials ("Approximating the erfinv function", 2010, single
// precision). Only a logarithm and a root are taken, whose accuracy WGSL promises.
fn standard_normal(bits: u32) -> f32 {
    // x is an odd multiple of 2^-23; it, 1 + x and 1 - x are exact. They come from whole numbers, so
    // that no compiler makes 1 - x * x of their product, which would lose the tails.
    let odd = (bits >> 9u) * 2u + 1u;
    let x = f32(i32(odd) - 8388608) * 0x1p-23f;
    let above_lowest = f32(odd) * 0x1p-23f;
    let below_highest = f32(16777216u - odd) * 0x1p-23f;
    let w = -log(above_lowest * below_highest);
    var p = 0.0;
    if (w < 5.0) {
        let c = w - 2.5;
        p = 2.81022636e-08;
        p = 3.43273939e-07 + p * c;
        p = -3.5233877e-06 + p * c;
        p = -4.39150654e-06 + p * c;
        p = 0.00021858087 + p * c;
        p = -0.00125372503 + p * c;
        p = -0.00417768164 + p * c;
        p = 0.246640727 + p * c;
        p = 1.50140941 + p * c;
    } else {
        let c = sqrt(w) - 3.0;
        p = -0.000200214257;
        p = 0.000100950558 + p * c;
        p = 0.00134934322 + p * c;
        p = -0.00367342844 + p * c;
        p = 0.00573950773 + p * c;
        p = -0.0076224613 + p * c;
        p = 0.00943887047 + p * c;
        p = 1.00167406 + p * c;
        p = 2.83297682 + p * c;
    }
    return 1.41421356 * p * x;
}
