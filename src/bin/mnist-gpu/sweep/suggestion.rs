//! Which batch size the gradient noise scale suggests.

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

/// The median of the runs' noise scales; of an even number, the geometric mean of the two in the
/// middle. A run that is far off, by a learning rate that is too large or as its steps are few, does
/// not move it.
pub(super) fn typical(scales: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut scales: Vec<f64> = scales.into_iter().collect();
    scales.sort_by(f64::total_cmp);
    let above = scales.get(scales.len() / 2)?;
    let below = scales.get((scales.len() - 1) / 2)?;
    Some((above * below).sqrt())
}

/// The power of two that is nearest to the noise scale, if the data has as many samples and the
/// device, asked by `fits`, has room.
///
/// # Errors
/// Those of `fits`.
pub(super) fn suggest(
    scale: Option<f64>,
    most: usize,
    fits: impl Fn(usize) -> anyhow::Result<bool>,
) -> anyhow::Result<Suggestion> {
    let Some(scale) = scale else {
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
        let suggestion = suggest(Some(scale), most, |size| Ok(size <= room)).unwrap();
        (suggestion.batch_size, suggestion.reason)
    }

    #[test]
    fn one_run_that_is_far_off_does_not_count() {
        assert_eq!(typical([]), None);
        assert_eq!(typical([700.0]), Some(700.0));
        assert_eq!(typical([500.0, 23.0, 600.0]), Some(500.0));
        assert_eq!(typical([23.0, 400.0, 900.0, 1e9]), Some(600.0));
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
        let hidden = suggest(None, 60_000, |_| Ok(true)).unwrap();
        assert_eq!(hidden.batch_size, None);
        assert!(hidden.line().starts_with("no batch size is suggested. The noise hides"));
    }
}
