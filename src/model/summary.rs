//! A model's layers as a table.

use super::{Functional, NodeKind};

impl Functional {
    /// The table of [Keras' `summary()`](https://keras.io/api/models/model/#summary-method): each
    /// layer's name, kind, output shape and number of parameters, and their sum; also where it
    /// takes its values from, unless each is the one before. Layers that lead to no output are
    /// left out, and named below the table.
    pub fn summary(&self) -> String {
        let nodes = self.nodes();
        let needed = self.needed();
        let is_needed = |place: usize| needed.get(place).copied().unwrap_or(false);
        let chain = nodes.iter().enumerate().all(|(place, node)| match node.kind.sources() {
            [] => place == 0,
            sources => sources.iter().all(|&source| source + 1 == place),
        });
        let mut header = vec!["Layer (type)", "Output Shape", "Param #"];
        if !chain {
            header.push("Connected to");
        }
        let mut rows: Vec<Vec<String>> = vec![header.into_iter().map(String::from).collect()];
        let widths = self.widths();
        let width = |place: usize| widths.get(place).copied().unwrap_or(0);
        let (mut total, mut trainable) = (0usize, 0usize);
        let mut unused = Vec::new();
        for (place, node) in nodes.iter().enumerate() {
            // An input stays: the data has it.
            if !is_needed(place) && !matches!(node.kind, NodeKind::Input { .. }) {
                unused.push(node.name.as_str());
                continue;
            }
            // Keras' table of a stack does not show its input.
            if chain && matches!(node.kind, NodeKind::Input { .. }) {
                continue;
            }
            let [trained, other] = match &node.kind {
                NodeKind::Layer { layer, of } => layer.parameters(width(*of)),
                // Those of a shared layer count where it has its own place.
                NodeKind::Input { .. }
                | NodeKind::Shared { .. }
                | NodeKind::Add { .. }
                | NodeKind::Concatenate { .. } => [0, 0],
            };
            let parameters = trained.saturating_add(other);
            trainable = trainable.saturating_add(trained);
            total = total.saturating_add(parameters);
            let mut row = vec![
                format!("{} ({})", node.name, camel_case(node.kind.kind())),
                format!("(None, {})", width(place)),
                grouped(parameters),
            ];
            if !chain {
                let sources = node.kind.sources().iter();
                let names = sources.filter_map(|&source| nodes.get(source));
                row.push(names.map(|node| node.name.as_str()).collect::<Vec<_>>().join(", "));
            }
            rows.push(row);
        }
        let column = |i: usize| {
            let cells = rows.iter().filter_map(|row| row.get(i));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let sizes: Vec<usize> = (0..if chain { 3 } else { 4 }).map(column).collect();
        let rule = "-".repeat(sizes.iter().sum::<usize>() + 2 * (sizes.len() - 1));
        let mut text = String::new();
        for (i, row) in rows.iter().enumerate() {
            let cells = row.iter().zip(&sizes).enumerate().map(|(column, (cell, &size))| {
                // Numbers to the right.
                if column == 2 { format!("{cell:>size$}") } else { format!("{cell:size$}") }
            });
            text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
            text.push('\n');
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
        if !unused.is_empty() {
            text.push_str(&format!("Left out, as no output needs them: {}\n", unused.join(", ")));
        }
        text
    }
}

/// `BatchNormalization` for `batch_normalization`.
fn camel_case(kind: &str) -> String {
    let words = kind.split('_').map(|word| {
        let mut letters = word.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    });
    words.collect()
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
    use crate::model::{Dense, Input, Sequential};
    use crate::operation::activation::Activation;

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
