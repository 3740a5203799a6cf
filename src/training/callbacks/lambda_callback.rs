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

/// Makes the callback: for each hook its name, that of the method that sets its closure, how the
/// closure is kept, and what it takes beside the run.
macro_rules! lambda_callback {
    ($($hook:ident, $set:ident, $kept:ident<$kind:ty>, $taken:ty;)*) => {
        /// Calls a closure for each hook that was given one, as
        /// [Keras' callback](https://keras.io/api/callbacks/lambda_callback/). The closures take
        /// what the hooks of [`Callback`] take.
        #[derive(Default)]
        pub struct LambdaCallback<'a> {
            $($hook: $kept<'a, $kind>,)*
        }

        impl<'a> LambdaCallback<'a> {
            /// Does nothing yet.
            pub fn new() -> Self {
                Self::default()
            }

            $(
                #[doc = concat!("For [`Callback::", stringify!($hook), "`].")]
                #[must_use]
                pub fn $set(
                    mut self,
                    hook: impl FnMut(&mut dyn Control, $taken) -> Result<()> + WasmNotSend + 'a,
                ) -> Self {
                    self.$hook = Some(Box::new(hook));
                    self
                }
            )*
        }

        impl Callback for LambdaCallback<'_> {
            $(
                fn $hook(&mut self, run: &mut dyn Control, taken: $taken) -> Result<()> {
                    self.$hook.as_mut().map_or(Ok(()), |hook| hook(run, taken))
                }
            )*
        }
    };
}

lambda_callback! {
    train_begin, on_train_begin, RefHook<TrainStart>, &TrainStart;
    train_end, on_train_end, RefHook<History>, &History;
    epoch_begin, on_epoch_begin, Hook<EpochStart>, EpochStart;
    epoch_end, on_epoch_end, RefHook<EpochRecord>, &EpochRecord;
    batch_begin, on_batch_begin, Hook<usize>, usize;
    batch_end, on_batch_end, Hook<StepEnd>, StepEnd;
    answer, on_answer, Hook<Answer>, Answer;
}

impl std::fmt::Debug for LambdaCallback<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LambdaCallback").finish_non_exhaustive()
    }
}
