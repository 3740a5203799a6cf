//! Work on a device within error scopes, whose errors become typed ones.
//!
//! Error scopes belong to a thread, so none is open across an await: what is pushed is popped first, and
//! the answers are awaited later.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use wgpu::ErrorFilter;

use super::device::Gpu;
use super::failure::internal;
use crate::error::{DeviceError, Error, Result};

impl Gpu {
    /// The first error that wgpu reported outside a call of ours, if any.
    pub(super) fn check(&self) -> Result<()> {
        self.failures.check()
    }

    /// Whether the device still takes work. wgpu tells a guest of a loss only when asked for
    /// something, as the handler that would be told is the host's: a buffer that is mapped when it
    /// is made asks for little.
    ///
    /// # Errors
    /// [`Error::Device`] with [`DeviceError::Lost`] if it does not.
    pub(super) fn check_alive(&self) -> Result<()> {
        self.check()?;
        if cfg!(target_arch = "wasm32") {
            return Ok(());
        }
        let (mapped, error) = self.catch(|| {
            let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(&self.label("minibatch.probe")),
                size: wgpu::MAP_ALIGNMENT,
                usage: wgpu::BufferUsages::COPY_SRC,
                mapped_at_creation: true,
            });
            buffer.get_mapped_range_mut(..).is_ok()
        });
        match (mapped, error) {
            (false, None) => {
                let reason = "it takes no more work; it failed or was destroyed".into();
                Err(DeviceError::Lost { reason }.into())
            }
            // No memory is no loss.
            _ => Ok(()),
        }
    }

    /// What went wrong where wgpu says no more than that something did.
    pub(super) fn failed(&self, error: impl std::error::Error + Send + Sync + 'static) -> Error {
        self.check_alive().err().unwrap_or_else(|| internal(error))
    }

    fn typed(&self, error: wgpu::Error) -> Error {
        // After a loss all that is left of the device's objects is invalid, which is no cause.
        if let Err(lost) = self.check_alive() {
            return lost;
        }
        let error = match &self.faults {
            Some(faults) => faults.as_told(error),
            None => error,
        };
        match error {
            wgpu::Error::OutOfMemory { source } => DeviceError::OutOfMemory(portable(source)),
            wgpu::Error::Validation { source, description } => {
                DeviceError::Validation { description, source: portable(source) }
            }
            wgpu::Error::Internal { source, description } => {
                DeviceError::Internal { description, source: portable(source) }
            }
        }
        .into()
    }

    fn before_work(&self) -> Result<()> {
        self.faults.as_ref().map_or(Ok(()), |faults| faults.before_work(&self.device))
    }

    /// A buffer of the device: an invalid one if there is no memory for it, which the error scope
    /// around the call tells.
    pub(super) fn create_buffer(&self, descriptor: &wgpu::BufferDescriptor<'_>) -> wgpu::Buffer {
        match &self.faults {
            Some(faults) => faults.create_buffer(&self.device, descriptor),
            None => self.device.create_buffer(descriptor),
        }
    }

    /// Runs `work` and reports what wgpu has to say against it, without a device-wide handler.
    pub(super) async fn scoped<R>(&self, work: impl FnOnce() -> Result<R>) -> Result<R> {
        self.before_work()?;
        let (result, pops) = self.popped(work);
        let mut first = None;
        for pop in pops {
            first = first.or(pop.await);
        }
        first.map_or(result, |error| Err(self.typed(error)))
    }

    /// [`scoped`](Self::scoped) for the work of every step, without an await. On the web an error
    /// scope is answered by another process, which a step must not wait for; there it goes without,
    /// as an error that nobody handles is no panic there.
    pub(super) fn guarded<R>(&self, work: impl FnOnce() -> Result<R>) -> Result<R> {
        self.before_work()?;
        let (result, error) = self.catch(work);
        error.map_or(result, |error| Err(self.typed(error)))
    }

    pub(super) fn catch<R>(&self, work: impl FnOnce() -> R) -> (R, Option<wgpu::Error>) {
        if cfg!(target_arch = "wasm32") {
            return (work(), None);
        }
        let (result, pops) = self.popped(work);
        let mut context = Context::from_waker(Waker::noop());
        let mut first = None;
        for pop in pops {
            // Natively the answer is there at once.
            if let Poll::Ready(error) = pin!(pop).poll(&mut context) {
                first = first.or(error);
            }
        }
        (result, first)
    }

    /// Runs `work` within error scopes, and returns what will tell the errors that they caught.
    fn popped<R>(
        &self,
        work: impl FnOnce() -> R,
    ) -> (R, [impl Future<Output = Option<wgpu::Error>>; 3]) {
        let filters = [ErrorFilter::Validation, ErrorFilter::OutOfMemory, ErrorFilter::Internal];
        let [first, second, third] = filters.map(|filter| self.device.push_error_scope(filter));
        let result = work();
        // Scopes are a stack: the last one pushed is the first to go.
        let pops = [third, second, first].map(wgpu::ErrorScopeGuard::pop);
        (result, pops)
    }
}

/// A source error that may go to another thread, which JavaScript's may not.
#[cfg(not(target_arch = "wasm32"))]
fn portable(source: wgpu::ErrorSource) -> Box<dyn std::error::Error + Send + Sync> {
    source
}

/// A source error that may go to another thread, which JavaScript's may not.
#[cfg(target_arch = "wasm32")]
fn portable(source: wgpu::ErrorSource) -> Box<dyn std::error::Error + Send + Sync> {
    source.to_string().into()
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn what_the_device_refuses_is_told_by_its_cause() {
        let gpu = Gpu::new().unwrap_or_else(|error| panic!("{error}"));
        let refused = |size| {
            let result = gpu.guarded(|| {
                let descriptor = wgpu::BufferDescriptor {
                    label: None,
                    size,
                    usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::MAP_WRITE,
                    mapped_at_creation: false,
                };
                Ok(gpu.device.create_buffer(&descriptor))
            });
            result.map(|_| ()).unwrap_err()
        };
        let error = refused(4);
        assert!(matches!(error, Error::Device(DeviceError::Validation { .. })), "{error}");
        assert!(!error.is_lost());
        assert!(error.source().and_then(|error| error.source()).is_some(), "{error}");
        let source = || "no bytes left".into();
        let error = gpu.typed(wgpu::Error::OutOfMemory { source: source() });
        assert!(matches!(error, Error::Device(DeviceError::OutOfMemory(_))), "{error}");
        let error = gpu.typed(wgpu::Error::Internal { source: source(), description: "".into() });
        assert!(matches!(error, Error::Device(DeviceError::Internal { .. })), "{error}");
        gpu.device.destroy();
        let error = gpu.typed(wgpu::Error::Internal { source: source(), description: "".into() });
        assert!(error.is_lost(), "{error}");
        assert!(gpu.check_alive().is_err_and(|error| error.is_lost()));
    }
}
