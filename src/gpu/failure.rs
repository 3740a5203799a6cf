//! What a device of ours has reported outside of any call.

use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{DeviceError, Error, Result};

/// What has gone wrong.
pub(super) enum Failure {
    Lost(String),
    OutOfMemory,
    Other(String),
}

/// The first failure, if there was one. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Failures {
    first: Arc<Mutex<Option<Failure>>>,
}

impl Failures {
    pub(super) fn note(&self, failure: Failure) {
        self.first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
    }

    /// # Errors
    /// The first failure as [`Error::Device`].
    pub(super) fn check(&self) -> Result<()> {
        match &*self.first.lock().unwrap_or_else(PoisonError::into_inner) {
            None => Ok(()),
            Some(Failure::Lost(reason)) => Err(DeviceError::Lost { reason: reason.clone() }.into()),
            Some(Failure::OutOfMemory) => {
                Err(DeviceError::OutOfMemory("reported outside of any call".into()).into())
            }
            Some(Failure::Other(text)) => Err(internal(text.as_str())),
        }
    }
}

/// An error of which nothing is known but its text.
pub(super) fn internal(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    let source = error.into();
    DeviceError::Internal { description: source.to_string(), source }.into()
}
