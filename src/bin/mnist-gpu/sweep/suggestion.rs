//! Which batch size the gradient noise scale suggests.

use minibatch::training::GradientNoise;

/// A batch size and why.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Suggestion {
    /// `None` if nothing can be said.
    pub batch_size: Option<usize>,
    /// One sentence.
    pub reason: String,
}

impl Suggestion {
    /// For the terminal.
    pub(super) fn line(&self) -> String {
        match self.batch_size {
            Some(size) => format!("suggested batch size: {size}. {}", self.reason),
            None => format!("no batch size is suggested. {}", self.reason),
        }
    }
}

/// The power of two that is nearest to the noise scale, if the data has as many samples and the
/// device, asked by `fits`, has room.
///
/// # Errors
/// Those of `fits`.
pub(super) fn suggest(
    noise: GradientNoise,
    most: usize,
    fits: impl Fn(usize) -> anyhow::Result<bool>,
) -> anyhow::Result<Suggestion> {
    let Some(scale) = noise.scale() else {
        let reason = "The noise hides the gradient, so its scale cannot be told; train on more \
                      samples or with fewer epochs.";
        return Ok(Suggestion { batch_size: None, reason: reason.into() });
    };
    // Beyond 2^40 no data follows; the number itself may be larger than any integer.
    let nearest = 1usize << scale.max(1.0).log2().round().min(40.0) as u32;
    let in_data = if most == 0 { 1 } else { 1 << most.ilog2() };
    let mut size = nearest.min(in_data);
    while size > 1 && !fits(size)? {
        size /= 2;
    }
    let told = samples(scale);
    let reason = if size < nearest.min(in_data) {
        format!(
            "The gradient noise scale is {told}, but this device has no room for batches of {}.",
            2 * size
        )
    } else if size < nearest {
        format!(
            "The gradient noise scale is {told}, and {size} is the largest power of two within the \
             {most} training samples: a larger batch would still save steps."
        )
    } else {
        format!(
            "The gradient noise scale is {told}, and {size} is the power of two nearest to it: in \
             much smaller batches twice the samples save half of the steps, in much larger ones \
             hardly any."
        )
    };
    Ok(Suggestion { batch_size: Some(size), reason })
}

/// `812 samples`, `3.5 samples`.
fn samples(scale: f64) -> String {
    if scale < 9.95 { format!("{scale:.1} samples") } else { format!("{scale:.0} samples") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suggested(scale: f64, most: usize, room: usize) -> (Option<usize>, String) {
        let noise = GradientNoise::new(2.0, 2.0 * scale);
        let suggestion = suggest(noise, most, |size| Ok(size <= room)).unwrap();
        (suggestion.batch_size, suggestion.reason)
    }

    #[test]
    fn it_is_the_nearest_power_of_two_that_data_and_device_have_room_for() {
        for (scale, size) in [(0.3, 1), (1.0, 1), (2.9, 4), (90.0, 64), (91.0, 128), (800.0, 1024)]
        {
            let (suggested, reason) = suggested(scale, 60_000, usize::MAX);
            assert_eq!(suggested, Some(size), "{scale}");
            assert!(
                reason.contains(&format!("{size} is the power of two nearest to it")),
                "{reason}"
            );
        }
        let (size, reason) = suggested(1e30, 1500, usize::MAX);
        assert!(
            size == Some(1024) && reason.contains("within the 1500 training samples"),
            "{reason}"
        );
        let (size, reason) = suggested(1000.0, 60_000, 300);
        assert!(size == Some(256) && reason.contains("no room for batches of 512"), "{reason}");
        let hidden = suggest(GradientNoise::new(-0.1, 3.0), 60_000, |_| Ok(true)).unwrap();
        assert_eq!(hidden.batch_size, None);
        assert!(hidden.line().starts_with("no batch size is suggested. The noise hides"));
    }
}
