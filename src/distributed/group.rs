//! What the processes of a run do together: add up gradients, and tell each other what they have.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::agreement;
use super::messages::Messages;
use super::schedule::{Schedule, plan};
use super::{Process, Transport};
use crate::error::{Error, Result};

/// One process among those that train a model together. All make the same calls in the same order. A group of
/// one process never calls its transport.
#[derive(Debug)]
pub(crate) struct Group {
    transport: Arc<dyn Transport>,
    process: Process,
    shards: usize,
    /// By the number of shards that are present, and of elements.
    schedules: HashMap<(usize, usize), Schedule>,
    messages: Messages,
    sums: u64,
}

impl Group {
    /// Of the processes that `transport` connects, which share out `shards` shards.
    ///
    /// # Errors
    /// [`Error::Argument`] if there are fewer shards than processes, or the transport contradicts itself.
    pub(crate) fn new(transport: Arc<dyn Transport>, shards: usize) -> Result<Self> {
        let process = transport.process();
        let Process { rank, count } = process;
        if rank >= count {
            let problem =
                format!("says that it is of {process}; expected a rank less than {count}");
            return Err(Error::Argument { argument: "transport", problem });
        }
        if count > shards {
            let problem = format!(
                "{shards} cannot be shared out among {count} processes, each of which computes at \
                 least one; give at least {count}, best a power of two times the processes, or start \
                 no more than {shards} processes"
            );
            return Err(Error::Argument { argument: "shards", problem });
        }
        let (schedules, messages) = (HashMap::new(), Messages::default());
        Ok(Group { transport, process, shards, schedules, messages, sums: 0 })
    }

    /// Which process this is.
    pub(crate) fn process(&self) -> Process {
        self.process
    }

    /// The shards that this process computes.
    pub(crate) fn own(&self) -> Range<usize> {
        self.process.shards(self.shards)
    }

    /// The sum of the gradients of the `present` shards of a batch, which has `length` elements, in every
    /// process the same. `partials` are what this process emits, by [`tree`](super::tree), in that order;
    /// numbers are added by [`add_normal`](crate::number::add_normal). Processes must be of the same byte order.
    ///
    /// # Errors
    /// [`Error::Argument`] if there can be no such `present`, [`Error::Shape`] if the partials are others in
    /// number or length. Those of the transport.
    pub(crate) fn sum(
        &mut self,
        partials: Vec<Vec<f32>>,
        present: usize,
        length: usize,
    ) -> Result<Vec<f32>> {
        let Group { process, shards, .. } = *self;
        if present == 0 || present > shards {
            let problem = format!("{present} of {shards} shards; expected from 1 to {shards}");
            return Err(Error::Argument { argument: "present", problem });
        }
        let schedule = self.schedules.entry((present, length)).or_insert_with(|| {
            plan(process.count, shards, present, length).swap_remove(process.rank)
        });
        if partials.len() != schedule.partials || partials.iter().any(|p| p.len() != length) {
            let lengths: Vec<usize> = partials.iter().map(Vec::len).collect();
            return Err(Error::Shape {
                what: format!("lengths of the sums of gradients of {process}"),
                actual: format!("{lengths:?}"),
                expected: format!("{:?}", vec![length; schedule.partials]),
            });
        }
        let sum = self.messages.carry_out(schedule, &*self.transport, partials, length)?;
        self.sums += 1;
        Ok(sum)
    }

    /// What each process calls this with, in the order of their ranks, in every process.
    ///
    /// # Errors
    /// Those of the transport.
    pub(crate) fn gather(&self, bytes: &[u8]) -> Result<Vec<Vec<u8>>> {
        if self.process.count == 1 {
            return Ok(vec![bytes.to_vec()]);
        }
        let of = |root| {
            let mut bytes = if root == self.process.rank { bytes.to_vec() } else { Vec::new() };
            self.transport.broadcast(root, &mut bytes)?;
            Ok(bytes)
        };
        (0..self.process.count).map(of).collect()
    }

    /// What the first process calls this with, in every process.
    ///
    /// # Errors
    /// Those of the transport.
    pub(crate) fn of_first(&self, mut bytes: Vec<u8>) -> Result<Vec<u8>> {
        if self.process.count > 1 {
            self.transport.broadcast(0, &mut bytes)?;
        }
        Ok(bytes)
    }

    /// Compares what each process is by names and values, such as the seed and its value.
    ///
    /// # Errors
    /// [`Error::Distributed`] in every process if one differs from the first one: the first process that does,
    /// with the first name and both values. Those of the transport.
    pub(crate) fn agree(&self, description: &[(String, String)]) -> Result<()> {
        if self.process.count == 1 {
            return Ok(());
        }
        let first = self.of_first(agreement::encode(description))?;
        let difference = agreement::difference(&first, description);
        let found = self.gather(difference.unwrap_or_default().as_bytes())?;
        match found.iter().enumerate().find(|(_, difference)| !difference.is_empty()) {
            None => Ok(()),
            Some((rank, difference)) => Err(Error::Distributed {
                process: Process { rank, ..self.process }.to_string(),
                problem: String::from_utf8_lossy(difference).into_owned(),
            }),
        }
    }

    /// Bytes that this process has sent in sums.
    pub(crate) fn sent(&self) -> u64 {
        self.messages.sent()
    }

    /// How many sums were made.
    pub(crate) fn sums(&self) -> u64 {
        self.sums
    }

    /// How long this process was in exchanges of sums, all together: its waiting for others, and what the
    /// messages took.
    pub(crate) fn waited(&self) -> Duration {
        self.messages.waited()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{bits, in_threads, partials, tree_sum};
    use super::*;
    use crate::distributed::InProcess;

    const LENGTHS: [usize; 7] = [0, 1, 2, 3, 7, 64, 1000];

    fn group(transport: &InProcess, shards: usize) -> Group {
        Group::new(Arc::new(transport.clone()), shards).unwrap()
    }

    #[test]
    fn every_process_gets_the_sum_along_the_tree() {
        for shards in [1, 2, 3, 5, 8, 12, 16] {
            let cases = (1..=shards).flat_map(|m| LENGTHS.map(|length| (m, length)));
            let cases: Vec<_> = cases.collect();
            let expected: Vec<_> =
                cases.iter().map(|&(m, length)| bits(&tree_sum(m, length))).collect();
            for count in 1..=shards.min(8) {
                in_threads(count, |transport| {
                    let mut group = group(&transport, shards);
                    for (&(m, length), expected) in cases.iter().zip(&expected) {
                        let what = format!("{}, {m} of {shards}, {length}", group.process());
                        // The second time the schedule is at hand.
                        for _ in 0..2 {
                            let partials = partials(group.process(), shards, m, length);
                            let sum = group.sum(partials, m, length).unwrap();
                            assert_eq!(bits(&sum), *expected, "{what}");
                        }
                    }
                    assert_eq!(group.sums(), 2 * cases.len() as u64);
                });
            }
        }
    }

    #[test]
    fn the_gradients_of_the_tests_tell_orders_of_addition_apart() {
        let eight: Vec<_> =
            (0..8).map(|shard| super::super::testing::gradients(shard, 64)).collect();
        let one_by_one = eight[1..].iter().fold(eight[0].clone(), |sum, gradients| {
            super::super::testing::plain_sum(&sum, gradients)
        });
        let differ = one_by_one.iter().zip(tree_sum(8, 64)).filter(|(a, b)| **a != *b).count();
        assert!(differ > 16, "{differ} of 64");
    }

    #[test]
    fn bytes_are_counted() {
        for count in [2, 4, 8] {
            in_threads(count, |transport| {
                let mut group = group(&transport, 8);
                for step in 1..=3u64 {
                    group.sum(partials(group.process(), 8, 8, 1000), 8, 1000).unwrap();
                    let bound = 2 * (count as u64 - 1) * 4000 / count as u64;
                    assert_eq!((group.sent(), group.sums()), (step * bound, step));
                }
                assert!(group.waited() > Duration::ZERO);
            });
        }
    }

    /// A transport that nobody may use.
    #[derive(Debug)]
    struct Unused(Process);

    impl Transport for Unused {
        fn process(&self) -> Process {
            self.0
        }
        fn exchange(&self, _: usize, _: &[u8], _: &mut [u8]) -> Result<()> {
            panic!("exchange was called")
        }
        fn broadcast(&self, _: usize, _: &mut Vec<u8>) -> Result<()> {
            panic!("broadcast was called")
        }
        fn barrier(&self) -> Result<()> {
            panic!("barrier was called")
        }
    }

    #[test]
    fn one_process_calls_nothing() {
        let mut group = Group::new(Arc::new(Unused(Process::ALONE)), 8).unwrap();
        assert_eq!(group.own(), 0..8);
        for present in 1..=8 {
            let sum = group.sum(partials(Process::ALONE, 8, present, 7), present, 7).unwrap();
            assert_eq!(bits(&sum), bits(&tree_sum(present, 7)));
        }
        assert_eq!(group.gather(b"me").unwrap(), [b"me"]);
        assert_eq!(group.of_first(b"me".to_vec()).unwrap(), b"me");
        group.agree(&[("seed".to_owned(), "5".to_owned())]).unwrap();
        assert_eq!((group.sent(), group.waited()), (0, Duration::ZERO));
    }

    #[test]
    fn what_cannot_be_is_refused_without_a_call() {
        let new =
            |rank, count, shards| Group::new(Arc::new(Unused(Process { rank, count })), shards);
        let text = new(0, 9, 8).unwrap_err().to_string();
        assert!(text.starts_with("shards: 8 cannot be shared out among 9 processes"), "{text}");
        assert!(
            text.contains("give at least 9") && text.contains("more than 8 processes"),
            "{text}"
        );
        for (rank, count) in [(4, 4), (0, 0)] {
            let text = new(rank, count, 8).unwrap_err().to_string();
            assert!(text.starts_with("transport: "), "{text}");
        }
        let mut group = new(1, 2, 8).unwrap();
        let four = vec![vec![0.0; 3]];
        for present in [0, 9] {
            let text = group.sum(four.clone(), present, 3).unwrap_err().to_string();
            assert!(text.starts_with("present: ") && text.contains("of 8 shards"), "{text}");
        }
        // Another length, one partial too many, and one that should not be there.
        let other_length = group.sum(four.clone(), 8, 4).unwrap_err().to_string();
        assert!(other_length.contains("process 1 of 2: got [3], expected [4]"), "{other_length}");
        let two = [four.clone(), four.clone()].concat();
        assert!(matches!(group.sum(two, 8, 3), Err(Error::Shape { .. })));
        assert!(matches!(group.sum(four, 4, 3), Err(Error::Shape { .. })));
        assert_eq!(group.sums(), 0);
    }

    #[test]
    fn every_process_knows_what_the_others_said() {
        for count in [2, 3, 5] {
            let said = |rank: usize| vec![rank as u8; 3 * rank];
            in_threads(count, |transport| {
                let group = group(&transport, 8);
                let rank = group.process().rank;
                let expected: Vec<_> = (0..count).map(said).collect();
                assert_eq!(group.gather(&said(rank)).unwrap(), expected);
                assert_eq!(group.of_first(said(rank + 1)).unwrap(), said(1));
            });
        }
    }

    #[test]
    fn every_process_says_which_one_differs() {
        for differing in [vec![], vec![2], vec![1, 3], vec![0]] {
            let errors = in_threads(4, |transport| {
                let group = group(&transport, 8);
                let rank = group.process().rank;
                let seed = if differing.contains(&rank) { 7 + rank } else { 5 };
                let description = [("model", "m".to_owned()), ("seed", seed.to_string())];
                let error = group.agree(&description.map(|(name, value)| (name.to_owned(), value)));
                // They still understand each other.
                assert_eq!(group.gather(&[rank as u8]).unwrap(), [[0], [1], [2], [3]]);
                error.map_err(|error| error.to_string())
            });
            let expected = match differing[..] {
                [] => Ok(()),
                [2] => Err("process 2 of 4: differs in seed: 9, and process 0 has 5"),
                [1, 3] => Err("process 1 of 4: differs in seed: 8, and process 0 has 5"),
                _ => Err("process 1 of 4: differs in seed: 5, and process 0 has 7"),
            };
            let advice = "; start all processes with the same program, arguments and data";
            let expected = expected.map_err(|text| format!("{text}{advice}"));
            assert_eq!(errors, vec![expected; 4]);
        }
    }

    #[test]
    fn an_error_in_the_middle_of_a_sum_reaches_all() {
        let errors = in_threads(4, |transport| {
            let mut group = group(&transport, 8);
            if group.process().rank == 3 {
                transport.fail("the device was lost");
                return String::new();
            }
            let partials = partials(group.process(), 8, 8, 7);
            group.sum(partials, 8, 7).unwrap_err().to_string()
        });
        let expected = "process 3 of 4: failed: the device was lost";
        assert_eq!(errors, [expected, expected, expected, ""]);
    }
}
