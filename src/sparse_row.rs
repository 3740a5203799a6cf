//! What a sparse row must be, for data and feeds alike: the values of a row that are not 0, and the
//! column of each.

/// Whether the columns ascend and lie below `width`, and each has a finite value. The error says
/// what is wrong.
pub(crate) fn check(columns: &[u32], values: &[f32], width: usize) -> Result<(), String> {
    if columns.len() != values.len() {
        return Err(format!("has {} columns for {} values", columns.len(), values.len()));
    }
    if let Some(pair) = columns.windows(2).find(|pair| pair.first() >= pair.last()) {
        return Err(format!("has the columns {pair:?} after each other; columns must ascend"));
    }
    // They ascend, so the last one is the largest.
    if let Some(&column) = columns.last().filter(|&&column| column as usize >= width) {
        return Err(format!("has a value in column {column}; there are {width}, from 0 on"));
    }
    match columns.iter().zip(values).find(|(_, value)| !value.is_finite()) {
        Some((column, value)) => Err(format!("has {value} in column {column}; give finite values")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn rows_ascend_within_the_width_and_are_finite() {
        for (columns, values) in [(&[][..], &[][..]), (&[0, 3, 4], &[1.0, -2.0, 0.0])] {
            assert_eq!(check(columns, values, 5), Ok(()));
        }
        for (columns, values, problem) in [
            (&[1, 1][..], &[1.0, 2.0][..], "[1, 1]"),
            (&[2, 1], &[1.0, 2.0], "[2, 1]"),
            (&[0, 5], &[1.0, 2.0], "column 5; there are 5"),
            (&[u32::MAX], &[1.0], "column 4294967295"),
            (&[0, 1], &[1.0], "2 columns for 1 values"),
            (&[0, 1], &[1.0, f32::NAN], "NaN in column 1"),
            (&[3], &[f32::INFINITY], "inf in column 3"),
        ] {
            let error = check(columns, values, 5).unwrap_err();
            assert!(error.contains(problem), "{error:?} does not say {problem:?}");
        }
    }
}
