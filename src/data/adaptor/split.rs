//! Parts of a source for training and for validation.

use super::concat::refuse_batches;
use super::weights::class;
use crate::data::source::{Source, Visit};
use crate::error::{Error, Result};

impl Source {
    /// The first `index` samples, and the others.
    ///
    /// # Errors
    /// [`Error::Argument`] if one side would be empty, or if the number of samples is not known.
    pub fn split_at(&self, index: usize) -> Result<(Source, Source)> {
        let samples = self.known_samples("split_at")?;
        if !(1..samples).contains(&index) {
            let problem = format!("is {index} of {samples} samples, which leaves one side empty");
            return Err(Error::argument("split_at", problem));
        }
        Ok((self.take(index), self.skip(index)))
    }

    /// `folds` pairs of training and validation data for cross-validation: each sample is in the
    /// validation data of one of them. Cut in the order of the samples; see
    /// [`shuffle_once`](Self::shuffle_once).
    ///
    /// # Errors
    /// [`Error::Argument`] if there are fewer than two folds, or fewer samples than folds, or if
    /// this is a stream.
    pub fn k_folds(&self, folds: usize) -> Result<Vec<(Source, Source)>> {
        let samples = self.need_random_access("k_folds")?.len();
        if folds < 2 || folds > samples {
            let problem = format!("is {folds} for {samples} samples; give 2 to {samples}");
            return Err(Error::argument("k_folds", problem));
        }
        let cut = |fold: usize| (fold as u128 * samples as u128 / folds as u128) as usize;
        let fold = |fold: usize| {
            let (start, end) = (cut(fold), cut(fold + 1));
            let validation = self.skip(start).take(end - start);
            let training = match (start, end) {
                (0, end) => self.skip(end),
                (start, end) if end == samples => self.take(start),
                (start, end) => self.take(start).concat(&self.skip(end))?,
            };
            Ok((training, validation))
        };
        (0..folds).map(fold).collect()
    }

    /// Cuts off `fraction` of the samples of each class for validation: `(training, validation)`.
    /// Of each class, samples are taken at even distances. The labels are read once, now; the
    /// numbers of the samples are kept in memory, 8 bytes for each.
    ///
    /// # Errors
    /// [`Error::Argument`] if `fraction` is not in `(0, 1)` or leaves one side empty, there is not
    /// exactly one target, or this is a stream; what reading returns.
    pub fn split_stratified(&self, fraction: f64) -> Result<(Source, Source)> {
        if !(fraction > 0.0 && fraction < 1.0) {
            let problem = format!("is {fraction}; give a fraction between 0 and 1");
            return Err(Error::argument("split_stratified", problem));
        }
        self.need_random_access("split_stratified")?;
        let mut seen: Vec<usize> = Vec::new();
        let (mut training, mut validation) = (Vec::new(), Vec::new());
        for (sample, class) in self.classes_in_order("split_stratified")?.into_iter().enumerate() {
            let class = class as usize;
            if class >= seen.len() {
                seen.resize(class + 1, 0);
            }
            let Some(before) = seen.get_mut(class) else { continue };
            let taken = |count: usize| (count as f64 * fraction).floor();
            let held_out = taken(*before + 1) > taken(*before);
            *before += 1;
            if held_out { &mut validation } else { &mut training }.push(sample);
        }
        if training.is_empty() || validation.is_empty() {
            let problem = format!("is {fraction}, which leaves one side empty; give another one");
            return Err(Error::argument("split_stratified", problem));
        }
        Ok((self.select(training)?, self.select(validation)?))
    }

    /// The class of each sample. A class is below 2^20: it numbers a list.
    pub(super) fn classes_in_order(&self, call: &'static str) -> Result<Vec<u32>> {
        refuse_batches(call, [self])?;
        if self.fields().targets().len() != 1 {
            let problem = format!(
                "needs one target a sample, its class, and there are {}",
                self.fields().targets().len()
            );
            return Err(Error::argument(call, problem));
        }
        let mut classes = Vec::new();
        let mut one = None;
        for samples in self.batches(1024, &Visit::default())? {
            let samples = samples?;
            for place in 0..samples.len() {
                let one = one.get_or_insert_with(|| {
                    crate::data::samples::Samples::new(std::sync::Arc::clone(samples.fields()))
                });
                one.clear();
                one.push_from(&samples, place)?;
                let class = one.target("").and_then(class).filter(|class| *class < 1 << 20);
                let class = class.ok_or_else(|| {
                    let problem = "has a target that stands for no class; give class indices";
                    Error::data(format!("sample {}", classes.len()), problem)
                })?;
                classes.push(class);
            }
        }
        Ok(classes)
    }

    fn known_samples(&self, call: &'static str) -> Result<usize> {
        refuse_batches(call, [self])?;
        self.len().ok_or_else(|| {
            let problem = "needs a known number of samples; use take and skip";
            Error::argument(call, problem)
        })
    }
}
