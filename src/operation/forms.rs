//! The forms of every operation. They stand apart from the list of operations, so that a program that
//! never tries parity does not carry them.

use super::case::{Cases, Form};
use super::list::for_each_operation;

macro_rules! collect {
    ($($name:ident,)+) => {
        /// Every operation in all forms that the parity suite tries.
        pub fn forms() -> Vec<Form> {
            let mut all = Vec::new();
            $(all.extend(<super::$name as Cases>::forms());)+
            all
        }
    };
}
for_each_operation!(collect);
