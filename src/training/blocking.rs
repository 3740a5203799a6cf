//! The two forms of what a model can do: awaited, and waiting on the caller's thread.

/// Runs `future` to its end.
#[cfg(not(target_arch = "wasm32"))]
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    crate::gpu::block_on(future)
}

/// Makes two methods of each async one: itself, under the second name, and natively a blocking one
/// under the first name, which has the documentation.
macro_rules! blocking {
    ($(
        $(#[$doc:meta])*
        $name:ident, $name_async:ident $(<$lifetime:lifetime>)? (
            &mut $self:ident $(, $argument:ident: $type:ty)*
        )
            -> $result:ty $body:block
    )*) => {
        $(
            $(#[$doc])*
            #[cfg(not(target_arch = "wasm32"))]
            pub fn $name $(<$lifetime>)? (&mut $self $(, $argument: $type)*) -> $result {
                $crate::training::blocking::block_on($self.$name_async($($argument),*))
            }

            $(#[cfg_attr(target_arch = "wasm32", $doc)])*
            #[cfg_attr(
                not(target_arch = "wasm32"),
                doc = concat!(
                    "[`", stringify!($name), "`](Self::", stringify!($name), "), awaited.\n\n",
                    "# Errors\nAs `", stringify!($name), "`."
                )
            )]
            pub async fn $name_async $(<$lifetime>)? (
                &mut $self $(, $argument: $type)*
            ) -> $result $body
        )*
    };
    // The same for functions that make a model.
    ($(
        $(#[$doc:meta])*
        $name:ident, $name_async:ident($($argument:ident: $type:ty),*) -> $result:ty $body:block
    )*) => {
        $(
            $(#[$doc])*
            #[cfg(not(target_arch = "wasm32"))]
            pub fn $name($($argument: $type),*) -> $result {
                $crate::training::blocking::block_on(Self::$name_async($($argument),*))
            }

            $(#[cfg_attr(target_arch = "wasm32", $doc)])*
            #[cfg_attr(
                not(target_arch = "wasm32"),
                doc = concat!(
                    "[`", stringify!($name), "`](Self::", stringify!($name), "), awaited.\n\n",
                    "# Errors\nAs `", stringify!($name), "`."
                )
            )]
            pub async fn $name_async($($argument: $type),*) -> $result $body
        )*
    };
}

pub(super) use blocking;
