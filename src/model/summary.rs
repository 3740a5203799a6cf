//! A model's layers as a table.

use super::{Layer, Sequential};

impl Sequential {
    /// The table of [Keras' `summary()`](https://keras.io/api/models/model/#summary-method): each
    /// layer's name, kind, output shape and number of parameters, and their sum.
    pub fn summary(&self) -> String {
        let mut rows = vec![["Layer (type)", "Output Shape", "Param #"].map(String::from).to_vec()];
        let mut width = self.input.width().unwrap_or(0);
        let (mut total, mut trainable) = (0usize, 0usize);
        let mut counts = [0; 4];
        for layer in &self.layers {
            let (place, name, parameters) = match layer {
                Layer::Dense(dense) => {
                    let inputs = std::mem::replace(&mut width, dense.units);
                    let rows = inputs.saturating_add(usize::from(dense.use_bias));
                    let parameters = rows.saturating_mul(dense.units);
                    if dense.trainable {
                        trainable = trainable.saturating_add(parameters);
                    }
                    (0, "dense", parameters)
                }
                Layer::Activation { .. } => (1, "activation", 0),
                Layer::Dropout { .. } => (2, "dropout", 0),
                Layer::Flatten => (3, "flatten", 0),
            };
            counts[place] += 1;
            total = total.saturating_add(parameters);
            let mut kind = name.to_owned();
            kind[..1].make_ascii_uppercase();
            rows.push(vec![
                format!("{name}_{} ({kind})", counts[place]),
                format!("(None, {width})"),
                grouped(parameters),
            ]);
        }
        let column = |i: usize| rows.iter().map(|row| row[i].len()).max().unwrap_or(0);
        let [a, b, c] = [column(0), column(1), column(2)];
        let rule = "-".repeat(a + b + c + 4);
        let mut text = String::new();
        for (i, row) in rows.iter().enumerate() {
            text.push_str(&format!("{:a$}  {:b$}  {:>c$}\n", row[0], row[1], row[2]));
            if i == 0 {
                text.push_str(&format!("{rule}\n"));
            }
        }
        text.push_str(&format!("{rule}\n"));
        for (what, count) in [
            ("Total", total),
            ("Trainable", trainable),
            ("Non-trainable", total.saturating_sub(trainable)),
        ] {
            let bytes = count.saturating_mul(4) as f64;
            text.push_str(&format!("{what} params: {} ({})\n", grouped(count), size(bytes)));
        }
        text
    }
}

/// `101,770`.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn size(bytes: f64) -> String {
    let units = ["B", "KB", "MB", "GB"];
    let mut value = bytes;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.2} {}", units[unit])
}

#[cfg(test)]
mod tests {
    use crate::Activation;
    use crate::model::{Dense, Input, Sequential};

    #[test]
    fn the_table_counts_what_keras_counts() {
        let model = Sequential::new(Input::pixels(&[28, 28]))
            .flatten()
            .dense(128, Activation::Relu)
            .dropout(0.2)
            .layer(Dense::new(10, Activation::Linear).without_bias().frozen())
            .activation(Activation::Softmax);
        let expected = "\
Layer (type)               Output Shape  Param #
------------------------------------------------
flatten_1 (Flatten)        (None, 784)         0
dense_1 (Dense)            (None, 128)   100,480
dropout_1 (Dropout)        (None, 128)         0
dense_2 (Dense)            (None, 10)      1,280
activation_1 (Activation)  (None, 10)          0
------------------------------------------------
Total params: 101,760 (397.50 KB)
Trainable params: 100,480 (392.50 KB)
Non-trainable params: 1,280 (5.00 KB)
";
        assert_eq!(model.summary(), expected);
    }
}
