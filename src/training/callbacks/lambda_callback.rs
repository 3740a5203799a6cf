//! A callback made of closures.

use crate::error::Result;
use crate::training::callback::{Callback, EpochStart, StepEnd, TrainStart};
use crate::training::control::{Answer, Control};
use crate::training::history::{EpochRecord, History};
use crate::training::send::WasmNotSend;

#[cfg(not(target_arch = "wasm32"))]
type Hook<'a, A> = Option<Box<dyn FnMut(&mut dyn Control, A) -> Result<()> + Send + 'a>>;
#[cfg(not(target_arch = "wasm32"))]
type RefHook<'a, A> = Option<Box<dyn FnMut(&mut dyn Control, &A) -> Result<()> + Send + 'a>>;
// JavaScript's values belong to one thread.
#[cfg(target_arch = "wasm32")]
type Hook<'a, A> = Option<Box<dyn FnMut(&mut dyn Control, A) -> Result<()> + 'a>>;
#[cfg(target_arch = "wasm32")]
type RefHook<'a, A> = Option<Box<dyn FnMut(&mut dyn Control, &A) -> Result<()> + 'a>>;

/// Calls a closure for each hook that was given one, as
/// [Keras' callback](https://keras.io/api/callbacks/lambda_callback/). The closures take what the
/// hooks of [`Callback`] take.
#[derive(Default)]
pub struct LambdaCallback<'a> {
    train_begin: RefHook<'a, TrainStart>,
    train_end: RefHook<'a, History>,
    epoch_begin: Hook<'a, EpochStart>,
    epoch_end: RefHook<'a, EpochRecord>,
    batch_begin: Hook<'a, usize>,
    batch_end: Hook<'a, StepEnd>,
    answer: Hook<'a, Answer>,
}

impl std::fmt::Debug for LambdaCallback<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LambdaCallback").finish_non_exhaustive()
    }
}

impl<'a> LambdaCallback<'a> {
    /// Does nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// For [`Callback::train_begin`].
    pub fn on_train_begin(
        mut self,
        hook: impl FnMut(&mut dyn Control, &TrainStart) -> Result<()> + WasmNotSend + 'a,
    ) -> Self {
        self.train_begin = Some(Box::new(hook));
        self
    }

    /// For [`Callback::train_end`].
    pub fn on_train_end(
        mut self,
        hook: impl FnMut(&mut dyn Control, &History) -> Result<()> + WasmNotSend + 'a,
    ) -> Self {
        self.train_end = Some(Box::new(hook));
        self
    }

    /// For [`Callback::epoch_begin`].
    pub fn on_epoch_begin(
        mut self,
        hook: impl FnMut(&mut dyn Control, EpochStart) -> Result<()> + WasmNotSend + 'a,
    ) -> Self {
        self.epoch_begin = Some(Box::new(hook));
        self
    }

    /// For [`Callback::epoch_end`].
    pub fn on_epoch_end(
        mut self,
        hook: impl FnMut(&mut dyn Control, &EpochRecord) -> Result<()> + WasmNotSend + 'a,
    ) -> Self {
        self.epoch_end = Some(Box::new(hook));
        self
    }

    /// For [`Callback::batch_begin`].
    pub fn on_batch_begin(
        mut self,
        hook: impl FnMut(&mut dyn Control, usize) -> Result<()> + WasmNotSend + 'a,
    ) -> Self {
        self.batch_begin = Some(Box::new(hook));
        self
    }

    /// For [`Callback::batch_end`].
    pub fn on_batch_end(
        mut self,
        hook: impl FnMut(&mut dyn Control, StepEnd) -> Result<()> + WasmNotSend + 'a,
    ) -> Self {
        self.batch_end = Some(Box::new(hook));
        self
    }

    /// For [`Callback::answer`].
    pub fn on_answer(
        mut self,
        hook: impl FnMut(&mut dyn Control, Answer) -> Result<()> + WasmNotSend + 'a,
    ) -> Self {
        self.answer = Some(Box::new(hook));
        self
    }
}

impl Callback for LambdaCallback<'_> {
    fn train_begin(&mut self, run: &mut dyn Control, train: &TrainStart) -> Result<()> {
        self.train_begin.as_mut().map_or(Ok(()), |hook| hook(run, train))
    }

    fn train_end(&mut self, run: &mut dyn Control, history: &History) -> Result<()> {
        self.train_end.as_mut().map_or(Ok(()), |hook| hook(run, history))
    }

    fn epoch_begin(&mut self, run: &mut dyn Control, epoch: EpochStart) -> Result<()> {
        self.epoch_begin.as_mut().map_or(Ok(()), |hook| hook(run, epoch))
    }

    fn epoch_end(&mut self, run: &mut dyn Control, record: &EpochRecord) -> Result<()> {
        self.epoch_end.as_mut().map_or(Ok(()), |hook| hook(run, record))
    }

    fn batch_begin(&mut self, run: &mut dyn Control, step: usize) -> Result<()> {
        self.batch_begin.as_mut().map_or(Ok(()), |hook| hook(run, step))
    }

    fn batch_end(&mut self, run: &mut dyn Control, step: StepEnd) -> Result<()> {
        self.batch_end.as_mut().map_or(Ok(()), |hook| hook(run, step))
    }

    fn answer(&mut self, run: &mut dyn Control, answer: Answer) -> Result<()> {
        self.answer.as_mut().map_or(Ok(()), |hook| hook(run, answer))
    }
}
