// Puts the rows of a step, which lie in the host's buffers, in their places in the program's: up to three
// columns. Each word of four bytes of a row in its place holds one value or several, of the type that the
// program gives it; the host's values may be of another type, and begin at any byte that suits theirs.
struct Column {
    // Words of a row in its place, padding included; 0 where there is no such column.
    words: u32,
    // Values of a row.
    values: u32,
    // In the host's buffer: the first byte of the first row, and the bytes from one row to the next.
    first_byte: u32,
    row_bytes: u32,
}

struct Columns {
    columns: array<Column, 3>,
    // Rows of each column in the host's buffers.
    rows: u32,
    // From one number of a row to the next, in words; 0 where the rows of a step follow each other.
    index_words: u32,
    // The first number, in words.
    first_index: u32,
    pad: u32,
}

// The types of values. All values of a column of ones are 1, and it has no source.
const F32: u32 = 0u;
const F16: u32 = 1u;
const U8: u32 = 2u;
const U32: u32 = 3u;
const ONES: u32 = 4u;

// Of each column the type of the host's values and of those in their places. They are known when the kernel
// is compiled, as a driver that computes on the CPU else runs what is written for every type.
override SOURCE_0: u32 = ONES;
override SOURCE_1: u32 = ONES;
override SOURCE_2: u32 = ONES;
override PLACED_0: u32 = F32;
override PLACED_1: u32 = F32;
override PLACED_2: u32 = F32;

@group(0) @binding(1) var<uniform> all: Columns;
@group(0) @binding(2) var<storage, read> indices: array<u32>;
@group(0) @binding(3) var<storage, read> source_0: array<u32>;
@group(0) @binding(4) var<storage, read> source_1: array<u32>;
@group(0) @binding(5) var<storage, read> source_2: array<u32>;
@group(0) @binding(6) var<storage, read_write> placed_0: array<u32>;
@group(0) @binding(7) var<storage, read_write> placed_1: array<u32>;
@group(0) @binding(8) var<storage, read_write> placed_2: array<u32>;

// Groups of four words that a row of so many makes; the last one may be smaller.
fn quads(words: u32) -> u32 {
    return (words + 3u) / 4u;
}

fn source_word(column: u32, word: u32) -> u32 {
    switch column {
        case 0u: { return source_0[word]; }
        case 1u: { return source_1[word]; }
        default: { return source_2[word]; }
    }
}

fn place(column: u32, word: u32, bits: u32) {
    switch column {
        case 0u: { placed_0[word] = bits; }
        case 1u: { placed_1[word] = bits; }
        default: { placed_2[word] = bits; }
    }
}

// The f32 that an f16 stands for. Integers alone, as drivers may take small f16 for 0.
fn float_of_half(half: u32) -> u32 {
    let sign = (half & 0x8000u) << 16u;
    let exponent = (half >> 10u) & 31u;
    let fraction = half & 0x3ffu;
    if (exponent == 0u) {
        // A multiple of 2^-24.
        return sign | bitcast<u32>(f32(fraction) * 0x1p-24f);
    }
    if (exponent == 31u) {
        // Infinite, or NaN, which is a quiet one from here on.
        return sign | 0x7f800000u | (fraction << 13u) | (u32(fraction > 0u) << 22u);
    }
    return sign | ((exponent + 112u) << 23u) | (fraction << 13u);
}

// The f16 nearest to an f32, the even one of two; infinite beyond the largest.
fn half_of_float(float: u32) -> u32 {
    let sign = (float >> 16u) & 0x8000u;
    let magnitude = float & 0x7fffffffu;
    if (magnitude > 0x7f800000u) {
        return sign | 0x7e00u | ((magnitude >> 13u) & 0x3ffu);
    }
    // From here on it rounds to what is beyond the largest.
    if (magnitude >= 0x477ff000u) {
        return sign | 0x7c00u;
    }
    if (magnitude >= 0x38800000u) {
        let even = (magnitude >> 13u) & 1u;
        return sign | ((magnitude + 0xfffu + even - 0x38000000u) >> 13u);
    }
    // Less than half of the least f16.
    if (magnitude < 0x33000000u) {
        return sign;
    }
    // A multiple of 2^-24: the fraction, its leading one included, is cut by so many bits.
    let cut = 126u - (magnitude >> 23u);
    let fraction = (magnitude & 0x7fffffu) | 0x800000u;
    let kept = fraction >> cut;
    let rest = fraction & ((1u << cut) - 1u);
    let middle = 1u << (cut - 1u);
    let up = rest > middle || (rest == middle && (kept & 1u) == 1u);
    return sign | (kept + u32(up));
}

// The bits of value `number` of the row that begins at `byte`.
fn source_bits(column: u32, source_type: u32, byte: u32, number: u32) -> u32 {
    switch source_type {
        case F16: {
            let at = byte + 2u * number;
            return (source_word(column, at / 4u) >> (8u * (at & 3u))) & 0xffffu;
        }
        case U8: {
            let at = byte + number;
            return (source_word(column, at / 4u) >> (8u * (at & 3u))) & 0xffu;
        }
        default: {
            return source_word(column, byte / 4u + number);
        }
    }
}

// The same as the bits of an f32.
fn float_bits(column: u32, source_type: u32, byte: u32, number: u32) -> u32 {
    let bits = source_bits(column, source_type, byte, number);
    switch source_type {
        case F32: { return bits; }
        case F16: { return float_of_half(bits); }
        default: { return bitcast<u32>(f32(bits)); }
    }
}

fn half_bits(column: u32, source_type: u32, byte: u32, number: u32) -> u32 {
    // What is an f16 already stays as it is.
    if (source_type == F16) {
        return source_bits(column, source_type, byte, number);
    }
    return half_of_float(float_bits(column, source_type, byte, number));
}

// Word `word` of a row in its place, of the row that begins at `byte` in the host's buffer. What is beyond
// the values of a row is 0.
fn placed_word(column: u32, source_type: u32, placed_type: u32, byte: u32, word: u32) -> u32 {
    let values = all.columns[column].values;
    switch placed_type {
        case F16: {
            var bits = 0u;
            for (var i = 0u; i < 2u; i += 1u) {
                let number = 2u * word + i;
                if (number < values) {
                    bits |= half_bits(column, source_type, byte, number) << (16u * i);
                }
            }
            return bits;
        }
        case U8: {
            var bits = 0u;
            for (var i = 0u; i < 4u; i += 1u) {
                let number = 4u * word + i;
                if (number < values) {
                    bits |= source_bits(column, source_type, byte, number) << (8u * i);
                }
            }
            return bits;
        }
        case U32: {
            return source_bits(column, source_type, byte, word);
        }
        default: {
            if (word >= values) {
                return 0u;
            }
            return float_bits(column, source_type, byte, word);
        }
    }
}

// Puts the words of a quad of a row in their places.
fn place_quad(column: u32, source_type: u32, placed_type: u32, row: u32, quad: u32) {
    let words = all.columns[column].words;
    let end = min(4u * quad + 4u, words);
    if (source_type == ONES) {
        for (var word = 4u * quad; word < end; word += 1u) {
            place(column, row * words + word, 0x3f800000u);
        }
        return;
    }
    // Not a branch: where a branch depends on uniforms alone, Mesa's lavapipe compiles the kernel anew for each
    // dispatch. Without numbers this reads the first word.
    let first = step.first_of_set + row;
    let listed = indices[all.first_index + first * all.index_words];
    var number = select(first, listed, all.index_words > 0u);
    // Nobody has looked at the numbers of rows that the device holds.
    number = min(number, all.rows - 1u);
    let byte = all.columns[column].first_byte + number * all.columns[column].row_bytes;
    for (var word = 4u * quad; word < end; word += 1u) {
        place(column, row * words + word, placed_word(column, source_type, placed_type, byte, word));
    }
}

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let quads_0 = quads(all.columns[0].words);
    let quads_1 = quads(all.columns[1].words);
    let row_quads = quads_0 + quads_1 + quads(all.columns[2].words);
    let index = folded_index(id, groups);
    if (index >= step.live_rows * row_quads) {
        return;
    }
    let row = index / row_quads;
    let quad = index % row_quads;
    if (quad < quads_0) {
        place_quad(0u, SOURCE_0, PLACED_0, row, quad);
    } else if (quad < quads_0 + quads_1) {
        place_quad(1u, SOURCE_1, PLACED_1, row, quad - quads_0);
    } else {
        place_quad(2u, SOURCE_2, PLACED_2, row, quad - quads_0 - quads_1);
    }
}
