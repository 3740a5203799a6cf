//! Operations on each value of one sample.

use super::{Activate, ActivateBackward, Add, Convert};
use crate::operation::per_sample::{PerSample, SampleText, literal, without_sample_text};

without_sample_text!("it computes gradients": ActivateBackward);

impl PerSample for Activate {
    const TEXT: SampleText<Self> = SampleText::Elementwise(|op, writer| {
        let activate = writer.activation(op.activation);
        writer.each_quad(op.output, |writer| {
            let x = writer.value(op.input, "quad")?;
            writer.store(op.output, "quad", &format!("{activate}({x})"))
        })
    });
}

impl PerSample for Add {
    const TEXT: SampleText<Self> = SampleText::Elementwise(|op, writer| {
        writer.each_quad(op.output, |writer| {
            let [a, b] = [writer.value(op.first, "quad")?, writer.value(op.second, "quad")?];
            writer.store(op.output, "quad", &format!("{a} + {b}"))
        })
    });
}

impl PerSample for Convert {
    // The function takes bytes as the numbers that they are.
    const TEXT: SampleText<Self> = SampleText::Elementwise(|op, writer| {
        writer.each_quad(op.output, |writer| {
            let x = writer.value(op.input, "quad")?;
            writer.store(op.output, "quad", &format!("{x} * {}", literal(op.scale)))
        })
    });
}
