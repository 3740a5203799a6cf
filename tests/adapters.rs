//! Which adapter is taken.

use minibatch::Gpu;
use minibatch::gpu::{adapters, block_on};

#[test]
fn an_adapter_is_taken_by_its_place() {
    let all = block_on(adapters());
    assert!(!all.is_empty());
    for (place, info) in all.iter().enumerate() {
        assert_eq!(Gpu::at(place).unwrap().info(), info);
    }
    assert_eq!(Gpu::new().unwrap().info(), &all[0]);
    let names: Vec<_> = all.iter().map(|info| info.name.as_str()).collect();
    let names = names.join(", ");
    let count = all.len();
    let error = Gpu::at(count).unwrap_err().to_string();
    assert_eq!(error, format!("there is no adapter at place {count}; there are: {names}"));
    let error = Gpu::with_adapter("No Such GPU").unwrap_err().to_string();
    assert_eq!(error, format!("no adapter's name contains \"No Such GPU\"; there are: {names}"));
}
