//! Loss functions.

/// What training minimises: the mean over the samples of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Loss {
    /// `-log(probability of the right class)`, labels as class indices, after a softmax layer;
    /// computed from the logits by log-sum-exp, so that it stays exact where a probability
    /// underflows. [Keras' page](https://keras.io/api/losses/probabilistic_losses/).
    SparseCategoricalCrossentropy,
}
