//! Images that are moved a little, at random.

use crate::data::fields::Field;
use crate::data::samples::Values;
use crate::data::source::Source;
use crate::error::{Error, Result};

impl Source {
    /// The samples, with the input moved as a whole by up to `max` pixels up or down and left or
    /// right, each distance from `-max` to `max` being as likely as any other. What moves out of the
    /// image is lost, and zeros fill the place that it leaves: Keras' `RandomTranslation` with
    /// `fill_mode="constant"`, by whole pixels.
    ///
    /// An image has the shape `[height, width]` or `[height, width, channels]`. How far it moves
    /// depends on the model's seed, the epoch and the sample's number, as in [`map`](Self::map).
    /// Shift the training data only: what a model is worth shows in images as they are.
    ///
    /// ```
    /// use minibatch::data::{Source, synthetic_digits};
    ///
    /// # fn main() -> minibatch::Result<()> {
    /// let digits = Source::from(synthetic_digits(10, 0)?).shift_images(2)?;
    /// # assert_eq!(digits.len(), Some(10));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Argument`] if there is not exactly one input, or it is no image; as of
    /// [`map`](Self::map), if reading fails.
    pub fn shift_images(&self, max: usize) -> Result<Source> {
        let fields = self.fields();
        let refused = |problem: String| Err(Error::argument("shift_images", problem));
        let (height, width, channels) = match fields.inputs() {
            [Field { sparse: false, shape, .. }] => match *shape.as_slice() {
                [height, width] => (height, width, 1),
                [height, width, channels] => (height, width, channels),
                _ => {
                    return refused(format!(
                        "needs images of shape [height, width] or [height, width, channels], and \
                         samples have the shape {shape:?}"
                    ));
                }
            },
            [_] => return refused("needs images, and the input is sparse".into()),
            inputs => {
                return refused(format!(
                    "needs one input a sample, and there are {}",
                    inputs.len()
                ));
            }
        };
        Ok(self.map(move |sample, random| {
            let mut distance = |size: usize| {
                // Further than its own size, everything is out of the image.
                let max = max.min(size) as u64;
                random.below(2 * max + 1) as isize - max as isize
            };
            let (down, right) = (distance(height), distance(width));
            let shape = [height, width, channels];
            match sample.columns_mut().first_mut() {
                Some(Values::U8(values)) => shift(values, shape, down, right),
                Some(Values::U32(values)) => shift(values, shape, down, right),
                Some(Values::F16(values)) => shift(values, shape, down, right),
                Some(Values::F32(values)) => shift(values, shape, down, right),
                Some(Values::Sparse(_)) | None => {}
            }
            Ok(())
        }))
    }
}

/// Moves an image of `[height, width, channels]`, at most by its own size.
fn shift<T: Copy + Default>(
    values: &mut Vec<T>,
    [height, width, channels]: [usize; 3],
    down: isize,
    right: isize,
) {
    let row = width * channels;
    let kept = (width - right.unsigned_abs().min(width)) * channels;
    // Where what is kept of a row begins, before and after.
    let (from, to) = match right {
        0.. => (0, row - kept),
        _ => (row - kept, 0),
    };
    let mut shifted = vec![T::default(); height * row];
    for (y, target) in shifted.chunks_exact_mut(row.max(1)).enumerate() {
        let source = y.checked_add_signed(-down).filter(|&y| y < height);
        let source = source.and_then(|y| values.get(y * row + from..y * row + from + kept));
        if let (Some(source), Some(target)) = (source, target.get_mut(to..to + kept)) {
            target.copy_from_slice(source);
        }
    }
    *values = shifted;
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGE: [u8; 6] = [1, 2, 3, 4, 5, 6];

    fn shifted(down: isize, right: isize) -> Vec<u8> {
        let mut values = IMAGE.to_vec();
        shift(&mut values, [2, 3, 1], down, right);
        values
    }

    #[test]
    fn what_moves_out_is_lost_and_zeros_come_in() {
        assert_eq!(shifted(0, 0), IMAGE);
        assert_eq!(shifted(1, 0), [0, 0, 0, 1, 2, 3]);
        assert_eq!(shifted(-1, 0), [4, 5, 6, 0, 0, 0]);
        assert_eq!(shifted(0, 1), [0, 1, 2, 0, 4, 5]);
        assert_eq!(shifted(0, -2), [3, 0, 0, 6, 0, 0]);
        assert_eq!(shifted(1, -1), [0, 0, 0, 2, 3, 0]);
        for (down, right) in [(2, 0), (-2, 0), (0, 3), (0, -3)] {
            assert_eq!(shifted(down, right), [0; 6]);
        }
    }

    #[test]
    fn the_channels_of_a_pixel_stay_together() {
        let mut values = IMAGE.to_vec();
        shift(&mut values, [1, 3, 2], 0, 1);
        assert_eq!(values, [0, 0, 1, 2, 3, 4]);
        shift(&mut values, [1, 3, 2], 0, -2);
        assert_eq!(values, [3, 4, 0, 0, 0, 0]);
    }
}
