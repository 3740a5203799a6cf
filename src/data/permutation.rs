//! A permutation that is computed and not stored.

use crate::random::Random;

/// A permutation of `0..len` that takes the same memory for any `len`: a keyed Feistel network
/// over a rectangle of at least `len` places, walked until it lands below `len` (Black and Rogaway,
/// "Ciphers with arbitrary finite domains", 2002).
///
/// Any place can be asked for by itself, in any order and from any thread:
///
/// ```
/// use minibatch::data::Permutation;
/// use minibatch::random::{Random, Stream};
///
/// let (seed, epoch) = (0, 3);
/// let order = Permutation::new(1 << 40, Random::new(seed, Stream::Shuffle(epoch)));
/// assert!(order.at(999_999_999_999) < 1 << 40);
/// ```
#[derive(Debug, Clone)]
pub struct Permutation {
    len: u64,
    /// A number is a row and a column of a rectangle that is about square, with a power of two of
    /// columns. They take turns in being moved by a function of the other.
    rows: u64,
    column_bits: u32,
    /// For each pair of rounds, multiplier and addend of either round.
    keys: [[u64; 4]; MOST_PAIRS],
    pairs: usize,
}

/// The rounds of a [`Permutation`] as tables, for who asks for all of its numbers: of each pair of
/// rounds, what it adds to the row of a number in each column, and what it changes in the column of a
/// number in each row.
#[derive(Debug)]
pub(crate) struct PermutationTables {
    pairs: Vec<(Vec<u32>, Vec<u32>)>,
}

/// Rows and columns together up to which tables are made: those of four
/// million samples take 48 KiB.
const MOST_TABULATED: u64 = 4096;

/// Two numbers of the same row are moved alike, and of the same column too. That rounds which read
/// so many bits in all never told the two apart has a probability of about `2^-48`.
const BITS_READ: u32 = 48;
/// Of two rounds each, for columns that one bit numbers.
const MOST_PAIRS: usize = BITS_READ as usize / 2;
/// As many as 60,000 samples take. Fewer leave patterns in longer permutations.
const LEAST_PAIRS: usize = 3;

impl Permutation {
    /// The permutation of `0..len` that `random` draws: another one for each seed and stream.
    #[must_use]
    pub fn new(len: usize, mut random: Random) -> Self {
        let len = len as u64;
        let bits = u64::BITS - len.saturating_sub(1).leading_zeros();
        let column_bits = (bits / 2).max(1);
        let rows = len.div_ceil(1 << column_bits);
        let pairs = (BITS_READ.div_ceil(2 * column_bits) as usize).max(LEAST_PAIRS);
        let mut keys = [[0; 4]; MOST_PAIRS];
        for pair in keys.iter_mut().take(pairs) {
            *pair = std::array::from_fn(|_| random.next_u64());
            // Odd multipliers lose nothing of what they multiply.
            pair[0] |= 1;
            pair[2] |= 1;
        }
        Permutation { len, rows, column_bits, keys, pairs }
    }

    /// Tables that make it quicker to ask for many of its numbers; `None` where they would be large, or
    /// there are few numbers.
    pub(super) fn tables(&self) -> Option<PermutationTables> {
        let columns = 1u64 << self.column_bits;
        if self.rows + columns > MOST_TABULATED || self.len <= self.rows + columns {
            return None;
        }
        let keys = self.keys.iter().take(self.pairs);
        let pairs = keys.map(|&keys| {
            let of_columns = (0..columns).map(|column| self.row_move(column, keys) as u32);
            let of_rows = (0..self.rows).map(|row| self.column_move(row, keys) as u32);
            (of_columns.collect(), of_rows.collect())
        });
        Some(PermutationTables { pairs: pairs.collect() })
    }

    /// How many numbers are permuted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// True if there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The number at `index`, from `0..len`; `index` itself if that is `len` or more.
    #[must_use]
    pub fn at(&self, index: usize) -> usize {
        self.at_by(None, index)
    }

    /// The same by its [`tables`](Self::tables), where it has some.
    pub(super) fn at_by(&self, tables: Option<&PermutationTables>, index: usize) -> usize {
        if index >= self.len() {
            return index;
        }
        // The last row may be partly beyond `len`: a number there is walked on from. As a walk is
        // part of a cycle that holds `index`, it ends.
        let mut number = self.network(tables, index as u64);
        while number >= self.len {
            number = self.network(tables, number);
        }
        number as usize
    }

    /// The permutation of all places of the rectangle.
    fn network(&self, tables: Option<&PermutationTables>, number: u64) -> u64 {
        let (mut row, mut column) =
            (number >> self.column_bits, number & ((1 << self.column_bits) - 1));
        let turned = |row: u64| if row >= self.rows { row - self.rows } else { row };
        if let Some(tables) = tables {
            let at = |table: &[u32], place: u64| {
                u64::from(table.get(place as usize).copied().unwrap_or_default())
            };
            for (of_columns, of_rows) in &tables.pairs {
                row = turned(row + at(of_columns, column));
                column ^= at(of_rows, row);
            }
        } else {
            for keys in self.keys.iter().take(self.pairs).copied() {
                row = turned(row + self.row_move(column, keys));
                column ^= self.column_move(row, keys);
            }
        }
        row << self.column_bits | column
    }

    /// By how many rows a number of this column is moved.
    fn row_move(&self, column: u64, [multiplier, addend, ..]: [u64; 4]) -> u64 {
        // There are at most 2^32 rows: the upper half of the bits, as a fraction, of them.
        ((mixed(column, multiplier, addend) >> 32) * self.rows) >> 32
    }

    /// Which bits of the column change of a number in this row.
    fn column_move(&self, row: u64, [.., multiplier, addend]: [u64; 4]) -> u64 {
        mixed(row, multiplier, addend) >> (u64::BITS - self.column_bits)
    }
}

/// Random bits as a function of `place`, the upper ones the best.
fn mixed(place: u64, multiplier: u64, addend: u64) -> u64 {
    let product = place.wrapping_mul(multiplier).wrapping_add(addend);
    (product ^ (product >> 32)).wrapping_mul(Random::GOLDEN_GAMMA)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;

    #[test]
    fn tables_change_no_number() {
        let few = [(2, false), (7, true), (100, true), (1000, true), (4097, true)];
        let many = [(60_000, true), ((1 << 20) + 3, true), (1 << 23, false)];
        for (len, has_tables) in few.into_iter().chain(many) {
            let computed = Permutation::new(len, Random::new(5, Stream::Shuffle(len as u32)));
            let tables = computed.tables();
            assert_eq!(tables.is_some(), has_tables, "{len}");
            for index in (0..len).step_by(len.div_ceil(60_000)) {
                assert_eq!(
                    computed.at_by(tables.as_ref(), index),
                    computed.at(index),
                    "{index} of {len}"
                );
            }
        }
    }
}
