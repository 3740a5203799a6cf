//! What the processes of a run load, each with loaders of its own: together every sample once.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use super::cursor::{Cursor, PartRows};
use super::own_rows::OwnRows;
use super::resident::ResidentRows;
use super::{Loader, Plan, Reading, SharedStream};
use crate::data::{
    BatchOrder, Dataset, Element, Features, Field, Fields, Length, RandomAccess, Samples, Shuffle,
    Source, StreamPass, Streaming, Values, Visit,
};
use crate::distributed::Process;
use crate::error::{Error, Result};
use crate::model::{Input, Sequential, Sgd};
use crate::profile::Profile;
use crate::program::{Pass, Step};
use crate::training::blocking::block_on;
use crate::training::model::Model;
use crate::{Activation, Cpu, Loss};

type Noted<T> = Arc<Mutex<Vec<T>>>;

fn note<T>(list: &Noted<T>, item: T) {
    list.lock().unwrap_or_else(PoisonError::into_inner).push(item);
}

/// The numbers `0..len` as floats; it notes which of them are read.
#[derive(Debug)]
struct Numbers {
    fields: Arc<Fields>,
    len: usize,
    read: Noted<usize>,
}

impl Numbers {
    fn new(len: usize, read: &Noted<usize>) -> Self {
        let fields = Fields::new([Field::new("x", Element::F32, &[1])], []).unwrap();
        Numbers { fields, len, read: Arc::clone(read) }
    }
}

fn push(into: &mut Samples, number: usize) -> Result<()> {
    if let [Values::F32(x)] = into.columns_mut() {
        x.push(number as f32);
    }
    into.complete(1)
}

impl RandomAccess for Numbers {
    fn fields(&self) -> &Arc<Fields> {
        &self.fields
    }

    fn len(&self) -> usize {
        self.len
    }

    fn read(&self, index: usize, _: &Visit, into: &mut Samples) -> Result<()> {
        note(&self.read, index);
        push(into, index)
    }
}

/// The same as a stream, in batches of its own if it makes some. It notes what is read, and finishes
/// by adding a thousand to each, whose numbers it notes too.
#[derive(Debug)]
struct NumberStream {
    numbers: Numbers,
    batch: Option<usize>,
    whole: bool,
    finished: Noted<usize>,
}

struct NumberPass {
    next: usize,
    len: usize,
    batch: Option<usize>,
    read: Noted<usize>,
}

impl Streaming for NumberStream {
    fn fields(&self) -> &Arc<Fields> {
        &self.numbers.fields
    }

    fn start(&self, _: &Visit) -> Result<Box<dyn StreamPass>> {
        let read = Arc::clone(&self.numbers.read);
        let pass = NumberPass { next: 0, len: self.numbers.len, batch: self.batch, read };
        Ok(Box::new(pass))
    }

    fn finish(&self, mut samples: Samples, first: usize, _: &Visit) -> Result<Samples> {
        for (place, number) in (first..first + samples.len()).enumerate() {
            note(&self.finished, number);
            if let [Values::F32(x)] = samples.columns_mut() {
                assert_eq!(x[place], number as f32);
                x[place] += 1000.0;
            }
        }
        Ok(samples)
    }

    fn finishes_whole(&self) -> bool {
        self.whole
    }

    fn batch_size(&self) -> Option<usize> {
        self.batch
    }
}

impl NumberPass {
    fn end(&self, most: usize) -> usize {
        self.next.saturating_add(self.batch.unwrap_or(most)).min(self.len)
    }
}

impl StreamPass for NumberPass {
    fn next(&mut self, most: usize, into: &mut Samples) -> Result<()> {
        let end = self.end(most);
        for number in std::mem::replace(&mut self.next, end)..end {
            note(&self.read, number);
            push(into, number)?;
        }
        Ok(())
    }

    fn skip(&mut self, most: usize, _: &mut Samples) -> Result<usize> {
        let end = self.end(most);
        Ok(end - std::mem::replace(&mut self.next, end))
    }
}

/// How batches are cut and shared out.
#[derive(Debug, Clone, Copy)]
struct Case {
    samples: usize,
    batch: usize,
    shards: usize,
    processes: usize,
}

/// Ragged last batches, in some of which most processes have no row; shards that are empty in every
/// batch; processes with unequal numbers of shards.
const CASES: [Case; 6] = [
    Case { samples: 103, batch: 20, shards: 8, processes: 4 },
    Case { samples: 101, batch: 20, shards: 8, processes: 3 },
    Case { samples: 90, batch: 16, shards: 4, processes: 4 },
    Case { samples: 64, batch: 16, shards: 16, processes: 8 },
    Case { samples: 7, batch: 3, shards: 8, processes: 4 },
    Case { samples: 50, batch: 16, shards: 8, processes: 1 },
];

impl Case {
    fn rows_at_once(self) -> usize {
        self.batch.div_ceil(self.shards)
    }

    fn own(self, rank: usize) -> Range<usize> {
        Process { rank, count: self.processes }.shards(self.shards)
    }

    /// The rows of batch `batch`, cut into the shards of `rank`; one empty part if it has none.
    fn parts(self, batch: usize, rank: usize) -> Vec<Range<usize>> {
        let rows = (self.samples - batch * self.batch).min(self.batch);
        let of = |shard: usize| shard * self.rows_at_once()..((shard + 1) * self.rows_at_once());
        let own = self.own(rank).map(of).filter(|part| part.start < rows);
        let mut parts: Vec<_> = own.map(|part| part.start..part.end.min(rows)).collect();
        if parts.is_empty() {
            parts.push(rows..rows);
        }
        parts
    }
}

/// A part as a loader gave it, with its first number.
#[derive(Debug, PartialEq)]
struct Loaded {
    first_row: usize,
    batch_rows: usize,
    last: bool,
    numbers: Vec<usize>,
}

/// What the process `rank` loads, and that it is what it should be: `sample` tells the number that
/// stands at a place of the epoch.
fn check(
    source: &Source,
    case: Case,
    workers: usize,
    order: Option<BatchOrder>,
    sample: impl Fn(usize) -> usize,
) {
    let network = Sequential::new(Input::floats(&[1])).dense(1, Activation::Linear);
    let compiled = network.compile(Sgd::default(), Loss::MeanSquaredError, []);
    let mut model: Model = compiled.build(&Cpu::new()).unwrap();
    let weight = model.session.program.find("dense_1.weight").unwrap();
    block_on(model.session.executor.write(weight, &[1.0])).unwrap();
    for rank in 0..case.processes {
        let expected: Vec<Loaded> = (0..case.samples.div_ceil(case.batch))
            .flat_map(|batch| {
                let parts = case.parts(batch, rank);
                let end = parts.last().map_or(0, |part| part.end);
                let loaded = parts.into_iter().map(|part| Loaded {
                    first_row: part.start,
                    batch_rows: (case.samples - batch * case.batch).min(case.batch),
                    last: part.end == end,
                    numbers: part.map(|row| sample(batch * case.batch + row)).collect(),
                });
                loaded.collect::<Vec<_>>()
            })
            .collect();
        let loaded = block_on(load(&mut model, source, case, rank, workers, order.clone()));
        assert_eq!(loaded.unwrap(), expected, "{case:?}, rank {rank}, {workers} workers");
    }
}

fn plan(
    model: &Model,
    source: &Source,
    case: Case,
    rank: usize,
    workers: usize,
    order: Option<BatchOrder>,
) -> Result<Plan> {
    let reading = model.session.reading(source, false)?;
    let stream = match &reading {
        Reading::Stream(stream, _) => Some(SharedStream::new(Arc::clone(stream))),
        Reading::Dataset(_) | Reading::RandomAccess(..) => None,
    };
    let visit = Visit::new(3, 1);
    if let Some(stream) = &stream {
        stream.begin_epoch(&visit, false)?;
    }
    let batches = 0..order.as_ref().map_or(usize::MAX, BatchOrder::len);
    let profile = Profile::default();
    let (rows_at_once, own, batch_size) = (case.rows_at_once(), case.own(rank), case.batch);
    let (pass, on_device, ahead) = (Pass::Predict, false, 3);
    Ok(Plan {
        reading,
        order,
        stream,
        visit,
        pass,
        batches,
        batch_size,
        rows_at_once,
        own,
        on_device,
        workers,
        ahead,
        profile,
    })
}

async fn load(
    model: &mut Model,
    source: &Source,
    case: Case,
    rank: usize,
    workers: usize,
    order: Option<BatchOrder>,
) -> Result<Vec<Loaded>> {
    let plan = plan(model, source, case, rank, workers, order)?;
    let session = &mut model.session;
    let (_, output) = session.program.outputs()[0];
    let mut loader = Loader::new(plan, &session.program)?;
    let mut loaded = Vec::new();
    loop {
        let promised = match loaded.len() % 2 {
            0 => loader.has_next(&mut session.executor).await?,
            _ => loader.knows_next().unwrap_or(true),
        };
        let Some(part) = loader.next(&mut session.executor).await? else {
            assert!(!promised || loader.knows_next().is_none());
            return Ok(loaded);
        };
        assert!(promised);
        let mut numbers = Vec::new();
        match part.feed {
            Some(feed) => {
                let step = Step::forward(part.rows);
                session.executor.run(Pass::Predict, feed, &step, false).await?;
                let values = session.executor.read(output, part.rows).await?;
                numbers.extend(values.into_iter().map(|value| value as usize));
            }
            None => assert_eq!(part.rows, 0),
        }
        assert_eq!(numbers.len(), part.rows);
        let (first_row, batch_rows, last) = (part.first_row, part.batch_rows, part.last);
        loaded.push(Loaded { first_row, batch_rows, last, numbers });
    }
}

fn sorted(noted: &Noted<usize>) -> Vec<usize> {
    let mut sorted = std::mem::take(&mut *noted.lock().unwrap());
    sorted.sort_unstable();
    sorted
}

#[test]
fn each_process_reads_its_own_samples_of_random_access() {
    for case in CASES {
        for workers in [0, 1, 8] {
            for shuffle in [Shuffle::Off, Shuffle::Full, Shuffle::Batch] {
                let read = Noted::default();
                let source = Source::new(Numbers::new(case.samples, &read));
                let order = BatchOrder::new(case.samples, case.batch, shuffle, 5, 2);
                let sample = |place| order.sample(place);
                check(&source, case, workers, Some(order.clone()), sample);
                // What each process was given was checked; here that it has read no more.
                assert_eq!(sorted(&read), (0..case.samples).collect::<Vec<_>>());
            }
        }
    }
}

#[test]
fn each_process_fills_in_its_own_rows_of_arrays() {
    for case in CASES {
        for workers in [0, 1, 8] {
            let numbers: Vec<f32> = (0..case.samples).map(|number| number as f32).collect();
            let data = Dataset::unlabelled(Features::F32(numbers.into()), &[1]).unwrap();
            let order = BatchOrder::new(case.samples, case.batch, Shuffle::Full, 5, 2);
            let sample = |place| order.sample(place);
            check(&data.into(), case, workers, Some(order.clone()), sample);
        }
    }
}

#[test]
fn each_process_reads_and_finishes_its_own_samples_of_a_stream() {
    for case in CASES {
        for workers in [0, 1, 8] {
            for (makes_batches, whole) in
                [(false, false), (false, true), (true, false), (true, true)]
            {
                let (read, finished) = (Noted::default(), Noted::default());
                let source = Source::stream(NumberStream {
                    numbers: Numbers::new(case.samples, &read),
                    batch: makes_batches.then_some(case.batch),
                    whole,
                    finished: Arc::clone(&finished),
                });
                check(&source, case, workers, None, |place| 1000 + place);
                let times = |times: usize| -> Vec<usize> {
                    (0..case.samples).flat_map(|number| vec![number; times]).collect()
                };
                // A batch that is not the loader's own is read by every process.
                let reads = if makes_batches || whole { case.processes } else { 1 };
                assert_eq!(sorted(&read), times(reads), "{case:?}");
                let finishes = if whole { case.processes } else { 1 };
                assert_eq!(sorted(&finished), times(finishes), "{case:?}");
            }
        }
    }
}

#[test]
fn what_is_random_depends_on_the_sample_and_not_on_the_process() {
    let case = CASES[0];
    let read = Noted::default();
    let streamed = |samples| {
        Source::stream(NumberStream {
            numbers: Numbers::new(samples, &read),
            batch: None,
            whole: false,
            finished: Noted::default(),
        })
    };
    let jitter = |x: &mut Samples, random: &mut crate::random::Random| {
        if let [Values::F32(x)] = x.columns_mut() {
            x.iter_mut().for_each(|x| *x += random.below(1 << 20) as f32);
        }
        Ok(())
    };
    let mapped = streamed(case.samples).map(jitter);
    let joined = streamed(60).map(jitter).concat(&streamed(case.samples - 60).map(jitter)).unwrap();
    let sharded = streamed(2 * case.samples - 1).map(jitter).shard(0, 2).unwrap();
    let skipped = Source::new(Numbers::new(case.samples + 5, &read)).shuffle_buffer(9).unwrap();
    let skipped = skipped.map(jitter).skip(5);
    // Each sample of a batch becomes the batch's random number.
    let together = streamed(case.samples).map(jitter).batch(case.batch).unwrap();
    let together = together.map_batch(|batch, random| {
        let drawn = random.below(1 << 20) as f32;
        if let [Values::F32(x)] = batch.columns_mut() {
            let sum: f32 = x.iter().map(|x| x % 7.0).sum();
            x.iter_mut().for_each(|x| *x = (drawn + sum) % 1e6);
        }
        Ok(())
    });
    for source in [mapped, joined, sharded, skipped, together.unwrap()] {
        let mut alone = Vec::new();
        for batch in source.batches(case.batch, &Visit::new(3, 1)).unwrap() {
            let batch = batch.unwrap();
            let [Values::F32(x)] = batch.columns() else { panic!("one column") };
            alone.extend(x.iter().map(|&x| x as usize));
        }
        assert_eq!(alone.len(), case.samples);
        for workers in [0, 2] {
            check(&source, case, workers, None, |place| alone[place]);
        }
    }
}

#[test]
fn messages_name_the_sample_of_the_whole_pass() {
    let case = Case { samples: 40, batch: 10, shards: 5, processes: 5 };
    let network = Sequential::new(Input::floats(&[1])).dense(1, Activation::Linear);
    let compiled = network.compile(Sgd::default(), Loss::MeanSquaredError, []);
    let mut model: Model = compiled.build(&Cpu::new()).unwrap();
    let read = Noted::default();
    let source = Source::new(Numbers::new(case.samples, &read)).batch(case.batch).unwrap();
    let source = source.map(|sample, _| match sample.columns() {
        [Values::F32(x)] if x == &[25.0] => Err(Error::argument("x", "is 25")),
        _ => Ok(()),
    });
    for rank in 0..case.processes {
        let loaded = block_on(load(&mut model, &source, case, rank, 0, None));
        // Rows 4 and 5 of each batch are those of process 2.
        match loaded {
            Ok(_) => assert_ne!(rank, 2),
            Err(error) => {
                assert_eq!(rank, 2);
                assert!(error.to_string().contains("sample 25 of the pass"), "{error}");
            }
        }
    }
}

/// A class that the model does not have is noticed when a feed is filled.
#[test]
fn messages_name_the_sample_that_does_not_fit_the_model() {
    let case = Case { samples: 40, batch: 10, shards: 5, processes: 5 };
    let network = Sequential::new(Input::floats(&[1])).dense(3, Activation::Softmax);
    let compiled = network.compile(Sgd::default(), Loss::SparseCategoricalCrossentropy, []);
    let mut model: Model = compiled.build(&Cpu::new()).unwrap();
    let fields =
        Fields::new([Field::new("x", Element::F32, &[1])], [Field::class("y", Some(3))]).unwrap();
    let source = Source::generator(fields, Length::Samples(case.samples), |_| {
        let mut numbers = 0..;
        Ok(move |samples: &mut Samples| {
            let number = numbers.next();
            if let [Values::F32(x), Values::U32(y)] = samples.columns_mut() {
                x.push(0.0);
                y.push(if number == Some(25) { 3 } else { 0 });
            }
            Ok(true)
        })
    });
    for rank in 0..case.processes {
        let mut plan = plan(&model, &source, case, rank, 0, None).unwrap();
        (plan.reading, plan.pass) = (model.session.reading(&source, true).unwrap(), Pass::Evaluate);
        let session = &mut model.session;
        let mut loader = Loader::new(plan, &session.program).unwrap();
        let error = loop {
            match block_on(loader.next(&mut session.executor)) {
                Ok(Some(_)) => {}
                Ok(None) => break None,
                Err(error) => break Some(error.to_string()),
            }
        };
        // Rows 4 and 5 of each batch are those of process 2.
        assert_eq!(error.is_some(), rank == 2, "{error:?}");
        assert!(error.is_none_or(|error| error.contains("sample 25 of the pass")), "rank {rank}");
    }
}

#[test]
fn rows_on_the_device_are_gone_through_in_the_same_parts() {
    for case in CASES {
        let numbers: Vec<f32> = (0..case.samples).map(|number| number as f32).collect();
        let data = Dataset::unlabelled(Features::F32(numbers.into()), &[1]).unwrap();
        let network = Sequential::new(Input::floats(&[1])).dense(1, Activation::Linear);
        let compiled = network.compile(Sgd::default(), Loss::MeanSquaredError, []);
        let model: Model = compiled.build(&Cpu::new()).unwrap();
        let order = BatchOrder::new(case.samples, case.batch, Shuffle::Full, 5, 2);
        for rank in 0..case.processes {
            let own = OwnRows::new(case.own(rank), case.rows_at_once());
            // Two batches more, which are the first ones again.
            let batches = order.len();
            let cursor = Cursor::new(0..batches + 2, own);
            let (program, profile) = (&model.session.program, Profile::default());
            let mut resident = ResidentRows::new(
                data.clone(),
                order.clone(),
                cursor,
                program,
                Pass::Train,
                profile,
            );
            let mut gone_through = Vec::new();
            while let Some((part, rows)) = resident.next() {
                assert_eq!(rows, order.batch_len(part.batch));
                gone_through.push(part);
                resident.pass(part);
            }
            let expected = (0..batches + 2).flat_map(|number| {
                let batch = number % batches;
                let parts = case.parts(batch, rank);
                let end = parts.last().map_or(0, |part| part.end);
                parts.into_iter().map(move |part| PartRows {
                    batch,
                    first: part.start,
                    rows: part.len(),
                    last: part.end == end,
                })
            });
            assert_eq!(gone_through, expected.collect::<Vec<_>>(), "{case:?}, rank {rank}");
        }
    }
}
