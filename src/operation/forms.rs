//! The forms of every operation. They stand apart from the list of operations, so that a program that
//! never tries parity does not carry them.

use super::case::{Cases, Form};
use super::list::for_each_operation;

macro_rules! collect {
    ($($name:ident,)+) => {
        /// Every operation in all forms that the parity suite tries; each that can store f16 in that
        /// form, too, and each that can take a loss scale with one.
        pub fn forms() -> Vec<Form> {
            let mut all = Vec::new();
            $(all.extend(<super::$name as Cases>::forms());)+
            let halves: Vec<Form> = all.iter().filter_map(Form::in_halves).collect();
            let scaled: Vec<Form> = [false, true]
                .into_iter()
                .flat_map(|skipped| all.iter().filter_map(move |form| form.with_loss_scale(skipped)))
                .collect();
            all.extend(halves);
            all.extend(scaled);
            all
        }
    };
}
for_each_operation!(collect);
