//! How a model is trained and what is reported.

use serde::{Deserialize, Serialize};

use super::loss::Loss;
use super::metric::Metric;
use super::optimizer::Optimizer;
use super::precision::Precision;
use super::schedule::Schedule;
use super::{CustomObjects, Functional, Layer};

/// What one output is judged by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Objective {
    /// What is minimised.
    pub loss: Loss,
    /// How much this loss counts beside those of other outputs; 1 by default.
    pub loss_weight: f64,
    /// What is reported beside the loss, each sample counting the same.
    pub metrics: Vec<Metric>,
    /// The same, each sample counting as much as its weight.
    pub weighted_metrics: Vec<Metric>,
}

impl Objective {
    /// A loss of weight 1, and nothing else reported.
    pub fn new(loss: Loss) -> Self {
        Objective { loss, loss_weight: 1.0, metrics: Vec::new(), weighted_metrics: Vec::new() }
    }

    /// Chooses how much the loss counts beside those of other outputs; a finite number of at least
    /// 0.
    pub fn loss_weight(mut self, weight: f64) -> Self {
        self.loss_weight = weight;
        self
    }

    /// Chooses what is reported beside the loss.
    pub fn metrics(mut self, metrics: impl IntoIterator<Item = Metric>) -> Self {
        self.metrics = metrics.into_iter().collect();
        self
    }

    /// Chooses what is reported with each sample counting as much as its weight.
    pub fn weighted_metrics(mut self, metrics: impl IntoIterator<Item = Metric>) -> Self {
        self.weighted_metrics = metrics.into_iter().collect();
        self
    }
}

impl Compiled {
    /// The closures of its layers, losses and metrics that are the user's own, with which a saved
    /// model is read whose metrics may be others.
    pub(crate) fn custom_objects(&self) -> CustomObjects {
        let mut objects = CustomObjects::new();
        objects.without_other_metrics = true;
        for layer in self.architecture.layers() {
            if let Layer::Custom(layer) = layer {
                objects.keep_layer(layer);
            }
        }
        for (_, objective) in &self.objectives {
            if let Loss::Custom(loss) = &objective.loss {
                objects.keep_loss(loss);
            }
            for metric in objective.metrics.iter().chain(&objective.weighted_metrics) {
                if let Metric::Custom(metric) = metric {
                    objects.keep_metric(metric);
                }
            }
        }
        objects
    }

    /// Gives the layers, losses and metrics that were read from a file and are the user's own their
    /// closures.
    pub fn supply(&mut self, objects: &CustomObjects) {
        self.architecture.supply(objects);
        for (_, objective) in &mut self.objectives {
            objects.supply_loss(&mut objective.loss);
            objects.supply_metrics(&mut objective.metrics);
            objects.supply_metrics(&mut objective.weighted_metrics);
        }
    }
}

/// A model with all that training needs but a place to run; `build` gives it that.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Compiled {
    /// Its layers.
    #[serde(rename = "model")]
    pub architecture: Functional,
    /// How weights are updated.
    pub optimizer: Optimizer,
    /// What each output is judged by, under the output's name. An output that is not named here is
    /// only predicted.
    pub objectives: Vec<(String, Objective)>,
    /// Determines the initial weights, the order of the samples and what dropout drops; 0 by
    /// default.
    pub seed: u64,
    /// The learning rate of each step, in place of the optimizer's; none by default.
    pub schedule: Option<Schedule>,
    /// Steps whose gradients' mean makes one update; 1 by default.
    pub gradient_accumulation_steps: usize,
    /// Rows of a batch that run at a time; the whole batch by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub micro_batch_size: Option<usize>,
    /// Shards of a batch; none by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shards: Option<usize>,
    /// How numbers are stored; all in f32 by default.
    #[serde(default, skip_serializing_if = "Precision::is_float32")]
    pub precision: Precision,
    /// Steps between calls of the batch hooks; 1 by default.
    pub steps_per_execution: usize,
    /// Whether each operation runs alone and is looked at; false by default.
    pub run_eagerly: bool,
    /// Whether operations are fused into fewer ones; true by default. It is no part of the model's
    /// file.
    #[serde(skip, default = "yes")]
    pub fusion: bool,
    /// Whether values share memory that do not live at the same time; false by default. It is no
    /// part of the model's file.
    #[serde(skip)]
    pub reuse_memory: bool,
    /// What the labels of its objects on a GPU begin with; those of the [`Gpu`](crate::Gpu) by
    /// default. It is no part of the model's file.
    #[serde(skip)]
    pub label_prefix: Option<String>,
    /// Upload slots on a GPU; as many as the [`Gpu`](crate::Gpu) says by default. It is no part of
    /// the model's file.
    #[serde(skip)]
    pub upload_slots: Option<usize>,
}

fn yes() -> bool {
    true
}

impl Compiled {
    /// The most that [`shards`](Self::shards) can be.
    pub const MOST_SHARDS: usize = 1024;

    pub(super) fn new(
        architecture: Functional,
        optimizer: Optimizer,
        objectives: Vec<(String, Objective)>,
    ) -> Self {
        Compiled {
            architecture,
            optimizer,
            objectives,
            seed: 0,
            schedule: None,
            gradient_accumulation_steps: 1,
            micro_batch_size: None,
            shards: None,
            precision: Precision::Float32,
            steps_per_execution: 1,
            run_eagerly: false,
            fusion: true,
            reuse_memory: false,
            label_prefix: None,
            upload_slots: None,
        }
    }

    /// Sets the seed of initial weights, shuffling, dropout and noise.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Lets the learning rate follow a schedule: the optimizer's own is not used then.
    pub fn schedule(mut self, schedule: impl Into<Schedule>) -> Self {
        self.schedule = Some(schedule.into());
        self
    }

    /// Reports these with each sample counting as much as its weight; of every output, so for
    /// several outputs see [`Objective::weighted_metrics`].
    pub fn weighted_metrics(mut self, metrics: impl IntoIterator<Item = Metric>) -> Self {
        let metrics: Vec<Metric> = metrics.into_iter().collect();
        for (_, objective) in &mut self.objectives {
            objective.weighted_metrics.clone_from(&metrics);
        }
        self
    }

    /// Makes one update of the mean of so many steps' gradients, at least 1: batches as large as
    /// one likes, a part at a time. Steps left over at the end of an epoch count on in the next
    /// one, as in Keras.
    pub fn gradient_accumulation_steps(mut self, steps: usize) -> Self {
        self.gradient_accumulation_steps = steps;
        self
    }

    /// Runs each batch in parts of so many rows, at least 1, which takes less memory. The gradients
    /// of the parts add up to those of the whole batch, also where the last part is smaller; what
    /// is random goes by a row's place in the batch. Keras has no such argument;
    /// [`gradient_accumulation_steps`](Self::gradient_accumulation_steps) is a mean over batches.
    ///
    /// A model with batch normalization that is trained is refused: its statistics are those of a
    /// whole batch.
    pub fn micro_batch_size(mut self, rows: usize) -> Self {
        self.micro_batch_size = Some(rows);
        self
    }

    /// Cuts each batch into so many shards, 1 to 1024, of equal numbers of rows: `ceil(batch size /
    /// shards)`, of which the last ones of a smaller batch have fewer, or none. They run one by one, and
    /// their gradients are added up along a tree that depends on the number of shards alone. So the result
    /// has the same bits on any number of processes that share the shards
    /// ([`Fit::distribute`](crate::Fit::distribute)), and in one process without any other. The number is
    /// saved with the model. Keras has no such argument.
    ///
    /// By default a batch runs as a whole, or is cut as
    /// [`micro_batch_size`](Self::micro_batch_size) says, with which this cannot be given together. A model
    /// with batch normalization that is trained is refused as there.
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = Some(shards);
        self
    }

    /// Lets the wgpu labels of all that the model makes for itself on a GPU begin with `prefix` and
    /// a dot, as `npc.minibatch.dense_1.weight`, so that several models can be told apart in a
    /// debugger, a capture or an error: buffers, bind groups, encoders and passes. They begin with
    /// `minibatch.` by default. A kernel's module, pipeline and layouts are shared by all models of
    /// a [`Gpu`](crate::Gpu) that run it, and keep their labels.
    pub fn label_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.label_prefix = Some(prefix.into());
        self
    }

    /// Makes so many upload slots on a GPU, 1 to 1024: how
    /// many steps that are fed from the host may be on their way to the device, or in encoders that
    /// the host has not submitted, at the same time. A further
    /// [`record_step`](crate::Model::record_step) is [`Error::Busy`](crate::Error::Busy); `fit` waits
    /// for the first to come back. By default there are 3, or 2 where one takes more than 16 MiB.
    ///
    /// Each has room for the inputs, targets and weights of the largest batch so far. `fit` makes
    /// more for batches that its workers read ahead.
    pub fn upload_slots(mut self, slots: usize) -> Self {
        self.upload_slots = Some(slots);
        self
    }

    /// Chooses how numbers are stored, as Keras' `dtype_policy` does.
    ///
    /// [`Precision::MixedFloat16`] is refused together with
    /// [`gradient_accumulation_steps`](Self::gradient_accumulation_steps), and on a GPU whose device
    /// has not the feature `SHADER_F16`, when the model is built.
    pub fn precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }

    /// Calls the batch hooks of callbacks once in so many steps, at least 1, as
    /// [Keras](https://keras.io/api/models/model_training_apis/#compile-method) does. Steps are
    /// submitted one by one all the same; none waits for another. The last call of an epoch names
    /// its last step (Keras counts on as if its last group were a full one).
    pub fn steps_per_execution(mut self, steps: usize) -> Self {
        self.steps_per_execution = steps;
        self
    }

    /// Runs each operation alone, and ends training with
    /// [`Error::NonFiniteValue`](crate::Error::NonFiniteValue) at the first value that is NaN or
    /// infinite, naming operation, buffer and place. Slow: for finding out what goes wrong. Every
    /// buffer can be read by its name then, see [`Model::read`](crate::Model::read).
    pub fn run_eagerly(mut self, eagerly: bool) -> Self {
        self.run_eagerly = eagerly;
        self
    }

    /// Whether several operations may become one that does the same: true unless set. Without it
    /// training takes more operations and ends in the same weights but for rounding; it is there to
    /// find out whether fusion is what goes wrong.
    pub fn fusion(mut self, fusion: bool) -> Self {
        self.fusion = fusion;
        self
    }

    /// Lets values share memory that do not live at the same time, so that larger batches fit; false
    /// unless set. [`Model::read`](crate::Model::read) then finds by name only those whose memory is
    /// their own, and gets what was last written there.
    pub fn reuse_memory(mut self, reuse: bool) -> Self {
        self.reuse_memory = reuse;
        self
    }
}
