//! Ctrl-C ends training after the step at hand; a second one ends the program at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressDrawTarget};
use minibatch::training::{Callback, Control, StepEnd};

use crate::print;

/// Exit code of a program that Ctrl-C ended, by the shells' convention.
pub(crate) const EXIT_CODE: u8 = 130;

/// Stops training once Ctrl-C was pressed.
pub(crate) struct Interrupt {
    pressed: Arc<AtomicBool>,
}

impl Interrupt {
    /// From now on Ctrl-C no longer ends the program at once. `announce`: say so when it comes,
    /// and draw the bar no more.
    ///
    /// # Errors
    /// If the system refuses the handler.
    pub(crate) fn watch(announce: bool, bar: ProgressBar) -> anyhow::Result<Self> {
        let pressed = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&pressed);
        ctrlc::set_handler(move || {
            if flag.swap(true, Ordering::Relaxed) {
                std::process::exit(EXIT_CODE.into());
            }
            if announce {
                // The terminal's ^C moved the cursor: drawn again, the bar would miss its place.
                bar.set_draw_target(ProgressDrawTarget::hidden());
                print::aside("\nCtrl-C: ending after this step; once more: at once");
            }
        })
        .context("cannot watch for Ctrl-C")?;
        Ok(Interrupt { pressed })
    }
}

impl Callback for Interrupt {
    fn batch_end(&mut self, run: &mut dyn Control, _step: StepEnd) -> minibatch::Result<()> {
        if self.pressed.load(Ordering::Relaxed) {
            run.stop();
        }
        Ok(())
    }
}
