// What changes from step to step, uploaded with each batch.
struct Step {
    // Samples in this part of the batch; rows beyond them hold nothing of use.
    live_rows: u32,
    // Number of the update, from 1.
    number: u32,
    // Learning rate times the optimizer's bias correction.
    step_size: f32,
    // 1 / the rows of the whole batch.
    inverse_rows: f32,
    // What Adam multiplies the root of its second moment by.
    root_scale: f32,
    // The share of each parameter that weight decay takes away.
    decay: f32,
    // Random bits of the step.
    noise_0: u32,
    noise_1: u32,
    // Rows of the whole batch that come before this part.
    first_row: u32,
    // 1 / live_rows.
    inverse_live_rows: f32,
    // Where, in words, the uploads of this step begin; only steps on resident rows have some.
    uploads_at: u32,
    // Which row of those in the host's buffers is the first, or which of the numbers that the device
    // holds says so; only steps on bound rows have some.
    first_of_set: u32,
}

@group(0) @binding(0) var<uniform> step: Step;
