//! How well a picture was learned.

use minibatch::data::Dataset;
use minibatch::{Model, Predict};

use crate::picture::Picture;
use crate::support::Result;

/// Pixels that are predicted at once.
const BATCH_SIZE: usize = 16_384;

/// The peak signal-to-noise ratio in dB, `-10 log10(mean((prediction - picture)^2))`, over all
/// values of the picture, which are from 0 to 1; predictions beyond these count as 0 or 1.
pub(crate) fn psnr(model: &mut Model, picture: &Picture) -> Result<f64> {
    let (width, height) = (picture.width, picture.height);
    let centre = |pixel: u32, of: u32| (pixel as f32 + 0.5) / of as f32;
    let places: Vec<f32> = (0..height)
        .flat_map(|row| (0..width).map(move |column| [centre(column, width), centre(row, height)]))
        .flatten()
        .collect();
    let places = Dataset::unlabelled(places.into(), &[2])?;
    let predicted = model.predict(&places, Predict::new().batch_size(BATCH_SIZE))?;
    let values = picture.pixels.as_flattened();
    let squares = predicted.iter().zip(values).map(|(&predicted, &value)| {
        let error = f64::from(predicted.clamp(0.0, 1.0)) - f64::from(value) / 255.0;
        error * error
    });
    Ok(-10.0 * (squares.sum::<f64>() / values.len() as f64).log10())
}
