//! Where the rows of a file begin.

/// Where a row begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::data) struct Position {
    /// Bytes before it.
    pub(in crate::data) byte: u64,
    /// Its line, from 1.
    pub(in crate::data) line: u64,
}

/// Where a file begins.
pub(in crate::data) const START: Position = Position { byte: 0, line: 1 };

/// Where rows begin: of all of them, or of every second, fourth and so on, so that the memory does
/// not grow with the file.
#[derive(Debug)]
pub(in crate::data) struct RowIndex {
    /// Of rows 0, stride, 2 stride and so on.
    positions: Vec<Position>,
    stride: usize,
    rows: usize,
}

/// So many positions are kept at most: 2 MiB of them.
const MOST_POSITIONS: usize = 1 << 17;

impl RowIndex {
    pub(in crate::data) fn new() -> Self {
        RowIndex { positions: Vec::new(), stride: 1, rows: 0 }
    }

    /// Adds the next row.
    pub(in crate::data) fn push(&mut self, position: Position) {
        if self.rows.is_multiple_of(self.stride) {
            if self.positions.len() == MOST_POSITIONS {
                let mut number = 0;
                self.positions.retain(|_| {
                    number += 1;
                    number % 2 == 1
                });
                self.stride *= 2;
            }
            if self.rows.is_multiple_of(self.stride) {
                self.positions.push(position);
            }
        }
        self.rows += 1;
    }

    /// Number of rows.
    pub(in crate::data) fn rows(&self) -> usize {
        self.rows
    }

    /// Where the last indexed row at or before `row` begins, and how many to skip from there.
    pub(in crate::data) fn find(&self, row: usize) -> Option<(Position, usize)> {
        if row >= self.rows {
            return None;
        }
        let position = self.positions.get(row / self.stride)?;
        Some((*position, row % self.stride))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_stays_small_and_finds_each_row() {
        let mut index = RowIndex::new();
        let rows = 5 * MOST_POSITIONS + 3;
        for row in 0..rows as u64 {
            index.push(Position { byte: 10 * row, line: row + 1 });
        }
        assert!(index.positions.len() <= MOST_POSITIONS);
        assert_eq!(index.stride, 8);
        for row in (0..rows).step_by(997).chain([rows - 1]) {
            let (position, skip) = index.find(row).unwrap();
            assert_eq!(position.byte, 10 * (row - skip) as u64);
            assert_eq!(position.line, (row - skip) as u64 + 1);
            assert!(skip < 8);
        }
        assert!(index.find(rows).is_none());
    }
}
