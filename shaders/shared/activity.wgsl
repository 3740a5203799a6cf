// The sizes of an activity and the factors of its regularizer.
struct Activity {
    inputs: u32,
    units: u32,
    l1: f32,
    l2: f32,
}

@group(0) @binding(1) var<uniform> shape: Activity;
