//! `Send` where there are threads.

use std::pin::Pin;

/// `Send` natively, so that a call of `fit_async` can be spawned on another thread; nothing in a
/// browser, whose JavaScript closures belong to one thread.
#[cfg(not(target_arch = "wasm32"))]
pub trait WasmNotSend: Send {}
#[cfg(not(target_arch = "wasm32"))]
impl<T: Send + ?Sized> WasmNotSend for T {}

/// `Send` natively, so that a call of `fit_async` can be spawned on another thread; nothing in a
/// browser, whose JavaScript closures belong to one thread.
#[cfg(target_arch = "wasm32")]
pub trait WasmNotSend {}
#[cfg(target_arch = "wasm32")]
impl<T: ?Sized> WasmNotSend for T {}

/// A future on the heap, `Send` where there are threads.
///
/// What it awaits is compiled with the function that makes it. An async function that is awaited without it is
/// compiled again in each crate that awaits it, with all that it calls.
#[cfg(not(target_arch = "wasm32"))]
pub(super) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
/// A future on the heap, `Send` where there are threads.
#[cfg(target_arch = "wasm32")]
pub(super) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;
