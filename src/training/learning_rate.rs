//! The learning rate while training goes on.

use super::model::Model;
use crate::error::{Error, Result};
use crate::model::check_optimizer;

impl Model {
    /// The rate of the next step: that of the schedule if there is one, else the optimizer's.
    pub fn learning_rate(&self) -> f64 {
        match &self.compiled.schedule {
            // Counted from 0, as Keras' `iterations`.
            Some(schedule) => schedule.at(self.steps),
            None => self.compiled.optimizer.learning_rate(),
        }
    }

    /// Sets the rate of the steps to come.
    ///
    /// # Errors
    /// [`Error::Argument`] if building a model would refuse the rate, or if a schedule governs it
    /// (an error in Keras too).
    pub fn set_learning_rate(&mut self, learning_rate: f64) -> Result<()> {
        if self.compiled.schedule.is_some() {
            let problem = format!(
                "cannot be set to {learning_rate}: the model was compiled with a schedule, which \
                 governs it; compile without one"
            );
            return Err(Error::argument("learning_rate", problem));
        }
        let mut optimizer = self.compiled.optimizer;
        optimizer.set_learning_rate(learning_rate);
        check_optimizer(&optimizer)?;
        self.compiled.optimizer = optimizer;
        Ok(())
    }
}
