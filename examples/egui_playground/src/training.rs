//! The network of a task, and its steps.

use std::ops::Range;
use std::time::Duration;

use minibatch::data::{BatchOrder, Shuffle};
use minibatch::gpu::BoundRows;
use minibatch::{
    Activation, Adam, DeviceColumns, DeviceElement, DeviceRows, Error, Gpu, Loss, Metric, Model,
    Scores, Sequential, wgpu,
};

use crate::boundary::{Boundary, Picture};
use crate::settings::{BATCH_SIZES, Pace, Task};

/// Orders of the points that are made in advance, each of a whole epoch; then they come again.
const ORDERS: u32 = 32;

/// Steps of a frame, at most.
const MOST_STEPS: usize = 100;

/// Bytes of a point: its place and its class, an f32 each.
const POINT: u64 = 12;

/// A model under training, and what it reads.
pub struct Training {
    model: Model,
    rows: BoundRows,
    /// Why there is none, if the network cannot be drawn.
    boundary: Result<Boundary, Error>,
    points: u32,
    /// The next place in the orders.
    next: u32,
    samples: u64,
    parameters: usize,
    pub scores: Option<Scores>,
    pub problem: Option<Error>,
    /// Steps of the last frame.
    pub recorded: usize,
}

impl Training {
    /// Builds the network, uploads the points and the orders, and compiles the kernels.
    ///
    /// # Errors
    /// Those of the model: layers that it cannot have, or that the device cannot hold.
    pub async fn build(
        gpu: &Gpu,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        task: &Task,
        points: &[[f32; 3]],
        picture: Picture,
    ) -> minibatch::Result<Self> {
        let mut network = Sequential::new(2);
        for &units in &task.layers {
            network = network.dense(units, task.activation);
        }
        let mut model = network
            .dense(1, Activation::Sigmoid)
            .compile(Adam::default(), Loss::BINARY_CROSSENTROPY, [Metric::Accuracy])
            .build_async(gpu)
            .await?;
        let values: Vec<f32> = points.iter().flatten().copied().collect();
        let points = points.len() as u32;
        let order = |epoch| {
            let count = points as usize;
            BatchOrder::new(count, count, Shuffle::Full, 0, epoch).batch(0).to_vec()
        };
        let orders: Vec<u32> = (0..ORDERS).flat_map(order).collect();
        let values =
            upload(device, queue, "points", values.iter().map(|value| value.to_le_bytes()));
        let orders =
            upload(device, queue, "orders", orders.iter().map(|index| index.to_le_bytes()));
        let columns = DeviceColumns::new()
            .input("point", DeviceRows::new(&values, points).stride(POINT))
            .target("class", DeviceRows::new(&values, points).offset(8).stride(POINT))
            .indices(DeviceRows::new(&orders, ORDERS * points).element(DeviceElement::U32));
        let rows = model.bind_rows(columns, BATCH_SIZES[BATCH_SIZES.len() - 1]).await?;
        let boundary = Boundary::new(device, &model, picture);
        let mut inputs = 2;
        let mut parameters = 0;
        for units in task.layers.iter().copied().chain([1]) {
            parameters += (inputs + 1) * units;
            inputs = units;
        }
        Ok(Training {
            model,
            rows,
            boundary,
            points,
            next: 0,
            samples: 0,
            parameters,
            scores: None,
            problem: None,
            recorded: 0,
        })
    }

    /// Records the steps of a frame, none while paused, and the picture of what the network is then.
    pub fn record(&mut self, encoder: &mut wgpu::CommandEncoder, pace: Option<Pace>) {
        self.recorded = 0;
        if let Some(pace) = pace
            && let Err(error) = self.record_steps(encoder, pace)
        {
            self.problem = Some(error);
        }
        if let Ok(boundary) = &self.boundary {
            boundary.record(encoder);
        }
    }

    /// Why the network cannot be drawn, though it is trained.
    pub fn not_drawn(&self) -> Option<String> {
        self.boundary.as_ref().err().map(Error::to_string)
    }

    fn record_steps(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        pace: Pace,
    ) -> minibatch::Result<()> {
        self.model.set_learning_rate(pace.learning_rate)?;
        let mut batches = self.upcoming(pace.batch_size as u32);
        let mut budget = Duration::from_secs_f64(pace.budget / 1000.0);
        if let Some(steps) = pace.steps {
            batches.truncate(steps);
            budget = Duration::from_secs(60);
        }
        let recorded = self.model.record_steps_within(encoder, &self.rows, &batches, budget)?;
        for rows in batches.into_iter().take(recorded) {
            self.samples += rows.len() as u64;
            self.next = rows.end;
        }
        self.recorded = recorded;
        Ok(())
    }

    /// The places of the orders that as many steps take as a frame has at most.
    fn upcoming(&self, batch_size: u32) -> Vec<Range<u32>> {
        let mut next = self.next;
        let batch = |_| {
            // What an order has left over goes with the beginning of the next one.
            let first = if next + batch_size > ORDERS * self.points { 0 } else { next };
            next = first + batch_size;
            first..next
        };
        (0..MOST_STEPS).map(batch).collect()
    }

    /// Loss and accuracy of the steps since the last scores, once they have arrived.
    pub fn take_scores(&mut self) -> Option<Scores> {
        match self.model.try_take_scores() {
            Ok(Some(scores)) => {
                self.scores = Some(scores.clone());
                Some(scores)
            }
            Ok(None) => None,
            Err(error) => {
                self.problem = Some(error);
                None
            }
        }
    }

    pub fn steps(&self) -> u64 {
        self.model.steps()
    }

    pub fn epochs(&self) -> f64 {
        self.samples as f64 / f64::from(self.points)
    }

    /// How long a step takes the device.
    pub fn step_time(&mut self) -> Option<Duration> {
        self.model.step_time()
    }

    pub fn parameters(&self) -> usize {
        self.parameters
    }
}

/// A buffer of the app's that the model reads.
fn upload(
    device: &wgpu::Device,
    queue: &wgpu::Queue,
    label: &str,
    words: impl Iterator<Item = [u8; 4]>,
) -> wgpu::Buffer {
    let bytes: Vec<u8> = words.flatten().collect();
    let buffer = device.create_buffer(&wgpu::BufferDescriptor {
        label: Some(label),
        size: bytes.len() as u64,
        usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    queue.write_buffer(&buffer, 0, &bytes);
    buffer
}
