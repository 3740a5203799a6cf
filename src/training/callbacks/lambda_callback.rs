//! A callback out of closures.

use crate::error::Result;
use crate::training::{
    Callback, EpochRecord, EpochStart, Flow, History, Model, StepEnd, TrainStart,
};

type Hook<'a, A, R> = Option<Box<dyn FnMut(&mut Model, A) -> Result<R> + 'a>>;
type RefHook<'a, A, R> = Option<Box<dyn FnMut(&mut Model, &A) -> Result<R> + 'a>>;

/// Calls a closure for each hook that was given one, as
/// [Keras' callback](https://keras.io/api/callbacks/lambda_callback/). The closures take what the
/// hooks of [`Callback`] take.
#[derive(Default)]
pub struct LambdaCallback<'a> {
    train_begin: RefHook<'a, TrainStart, ()>,
    train_end: RefHook<'a, History, ()>,
    epoch_begin: Hook<'a, EpochStart, ()>,
    epoch_end: RefHook<'a, EpochRecord, Flow>,
    batch_begin: Hook<'a, usize, ()>,
    batch_end: Hook<'a, StepEnd, Flow>,
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
        hook: impl FnMut(&mut Model, &TrainStart) -> Result<()> + 'a,
    ) -> Self {
        self.train_begin = Some(Box::new(hook));
        self
    }

    /// For [`Callback::train_end`].
    pub fn on_train_end(
        mut self,
        hook: impl FnMut(&mut Model, &History) -> Result<()> + 'a,
    ) -> Self {
        self.train_end = Some(Box::new(hook));
        self
    }

    /// For [`Callback::epoch_begin`].
    pub fn on_epoch_begin(
        mut self,
        hook: impl FnMut(&mut Model, EpochStart) -> Result<()> + 'a,
    ) -> Self {
        self.epoch_begin = Some(Box::new(hook));
        self
    }

    /// For [`Callback::epoch_end`].
    pub fn on_epoch_end(
        mut self,
        hook: impl FnMut(&mut Model, &EpochRecord) -> Result<Flow> + 'a,
    ) -> Self {
        self.epoch_end = Some(Box::new(hook));
        self
    }

    /// For [`Callback::batch_begin`].
    pub fn on_batch_begin(
        mut self,
        hook: impl FnMut(&mut Model, usize) -> Result<()> + 'a,
    ) -> Self {
        self.batch_begin = Some(Box::new(hook));
        self
    }

    /// For [`Callback::batch_end`].
    pub fn on_batch_end(
        mut self,
        hook: impl FnMut(&mut Model, StepEnd) -> Result<Flow> + 'a,
    ) -> Self {
        self.batch_end = Some(Box::new(hook));
        self
    }
}

impl Callback for LambdaCallback<'_> {
    fn train_begin(&mut self, model: &mut Model, train: &TrainStart) -> Result<()> {
        self.train_begin.as_mut().map_or(Ok(()), |hook| hook(model, train))
    }

    fn train_end(&mut self, model: &mut Model, history: &History) -> Result<()> {
        self.train_end.as_mut().map_or(Ok(()), |hook| hook(model, history))
    }

    fn epoch_begin(&mut self, model: &mut Model, epoch: EpochStart) -> Result<()> {
        self.epoch_begin.as_mut().map_or(Ok(()), |hook| hook(model, epoch))
    }

    fn epoch_end(&mut self, model: &mut Model, record: &EpochRecord) -> Result<Flow> {
        self.epoch_end.as_mut().map_or(Ok(Flow::Continue), |hook| hook(model, record))
    }

    fn batch_begin(&mut self, model: &mut Model, step: usize) -> Result<()> {
        self.batch_begin.as_mut().map_or(Ok(()), |hook| hook(model, step))
    }

    fn batch_end(&mut self, model: &mut Model, step: StepEnd) -> Result<Flow> {
        self.batch_end.as_mut().map_or(Ok(Flow::Continue), |hook| hook(model, step))
    }
}
