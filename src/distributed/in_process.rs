//! Processes of a distributed run as threads of one process.

use std::fmt::Debug;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::{Process, Transport};
use crate::error::{Error, Result};

/// One of several threads that train a model together, as processes on several machines would: to try a
/// distributed run, and for tests. It is no faster than one thread that trains with
/// all cores.
///
/// Each thread is given one of a [`group`](Self::group). When a thread drops the last clone of its own,
/// calls [`fail`](Transport::fail), or gets an error, what others wait for from it fails too, so that
/// none waits forever.
///
/// ```
/// use minibatch::distributed::{InProcess, Transport};
///
/// std::thread::scope(|scope| {
///     for transport in InProcess::group(2) {
///         scope.spawn(move || {
///             let rank = transport.process().rank as u8;
///             let mut received = [0];
///             transport.exchange(1 - usize::from(rank), &[rank], &mut received)?;
///             assert_eq!(received, [1 - rank]);
///             minibatch::Result::<()>::Ok(())
///         });
///     }
/// });
/// ```
#[derive(Debug, Clone)]
pub struct InProcess(Arc<Member>);

/// What all clones of a process's transport are.
#[derive(Debug)]
struct Member {
    process: Process,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    board: Mutex<Board>,
    /// Something on the board has changed.
    changed: Condvar,
}

#[derive(Debug)]
struct Board {
    /// The message of each process for each, by the rank of the sender times their number and that of the
    /// receiver, until it is taken.
    messages: Vec<Option<Message>>,
    /// Why each one does not go on.
    ends: Vec<Option<End>>,
}

#[derive(Debug)]
enum Message {
    Exchange {
        bytes: Vec<u8>,
        /// How many bytes are expected in return.
        expected: usize,
    },
    Broadcast(Arc<[u8]>),
    Barrier,
}

/// The process that ended first of those that waited for each other, and why.
#[derive(Debug, Clone)]
struct End {
    process: Process,
    problem: String,
}

impl InProcess {
    /// `count` transports that are connected with each other, by rank.
    #[must_use]
    pub fn group(count: usize) -> Vec<Self> {
        let messages = (0..count * count).map(|_| None).collect();
        let board = Mutex::new(Board { messages, ends: vec![None; count] });
        let shared = Arc::new(Shared { board, changed: Condvar::new() });
        let member =
            |rank| Member { process: Process { rank, count }, shared: Arc::clone(&shared) };
        (0..count).map(|rank| InProcess(Arc::new(member(rank)))).collect()
    }
}

impl Transport for InProcess {
    fn process(&self) -> Process {
        self.0.process
    }

    fn exchange(&self, peer: usize, sent: &[u8], received: &mut [u8]) -> Result<()> {
        let expected = received.len();
        self.0.put(peer, Message::Exchange { bytes: sent.to_vec(), expected })?;
        match self.0.take(peer)? {
            Message::Exchange { bytes, expected: sent_expected }
                if bytes.len() == expected && sent_expected == sent.len() =>
            {
                received.copy_from_slice(&bytes);
                Ok(())
            }
            Message::Exchange { bytes, expected: sent_expected } => {
                let problem = format!(
                    "sent {} bytes where {expected} were expected, and expected {sent_expected} where \
                     {} were sent",
                    bytes.len(),
                    sent.len()
                );
                Err(self.0.end(End { process: self.0.of(peer), problem }))
            }
            Message::Broadcast(_) | Message::Barrier => Err(self.0.another_call(peer)),
        }
    }

    fn broadcast(&self, root: usize, bytes: &mut Vec<u8>) -> Result<()> {
        let Process { rank, count } = self.0.process;
        if rank == root {
            let shared: Arc<[u8]> = bytes.as_slice().into();
            let mut others = (0..count).filter(|&peer| peer != root);
            return others
                .try_for_each(|peer| self.0.put(peer, Message::Broadcast(shared.clone())));
        }
        match self.0.take(root)? {
            Message::Broadcast(sent) => {
                bytes.clear();
                bytes.extend_from_slice(&sent);
                Ok(())
            }
            Message::Exchange { .. } | Message::Barrier => Err(self.0.another_call(root)),
        }
    }

    fn barrier(&self) -> Result<()> {
        let Process { rank, count } = self.0.process;
        let meet = |peer: usize| match self.0.take(peer)? {
            Message::Barrier => Ok(()),
            Message::Exchange { .. } | Message::Broadcast(_) => Err(self.0.another_call(peer)),
        };
        if rank == 0 {
            (1..count).try_for_each(meet)?;
            (1..count).try_for_each(|peer| self.0.put(peer, Message::Barrier))
        } else {
            self.0.put(0, Message::Barrier)?;
            meet(0)
        }
    }

    fn fail(&self, reason: &str) {
        let end = End { process: self.0.process, problem: format!("failed: {reason}") };
        let _ = self.0.end(end);
    }
}

impl Member {
    fn of(&self, rank: usize) -> Process {
        Process { rank, ..self.process }
    }

    /// The place of the message from one process to another one.
    fn place(&self, from: usize, to: usize) -> usize {
        from * self.process.count + to
    }

    /// Leaves a message for `peer`, once that has taken the one before.
    fn put(&self, peer: usize, message: Message) -> Result<()> {
        let place = self.place(self.process.rank, peer);
        let mut message = Some(message);
        self.wait(peer, |board| match board.messages.get_mut(place) {
            Some(free @ None) => {
                *free = message.take();
                Some(())
            }
            Some(Some(_)) | None => None,
        })
    }

    /// Takes the message that `peer` leaves for this process.
    fn take(&self, peer: usize) -> Result<Message> {
        let place = self.place(peer, self.process.rank);
        self.wait(peer, |board| board.messages.get_mut(place)?.take())
    }

    /// Waits until `tried` succeeds, or what it waits for cannot come any more because `peer` has ended.
    fn wait<T>(&self, peer: usize, mut tried: impl FnMut(&mut Board) -> Option<T>) -> Result<T> {
        if peer >= self.process.count {
            let problem = format!("has no peer {peer}; ranks are less than {}", self.process.count);
            return Err(self.end(End { process: self.process, problem }));
        }
        let mut board = self.shared.board();
        let end = loop {
            if let Some(end) = &board.ends[self.process.rank] {
                break end.clone();
            }
            if let Some(result) = tried(&mut board) {
                self.shared.changed.notify_all();
                return Ok(result);
            }
            if let Some(end) = &board.ends[peer] {
                break end.clone();
            }
            board = self.shared.changed.wait(board).unwrap_or_else(PoisonError::into_inner);
        };
        drop(board);
        Err(self.end(end))
    }

    /// Ends this process with an error. What it sent is still received: others may be about to end a call
    /// that it has ended, and to find the same error as it.
    fn end(&self, end: End) -> Error {
        self.end_on(&mut self.shared.board(), end)
    }

    /// The first reason stays.
    fn end_on(&self, board: &mut Board, end: End) -> Error {
        let End { process, problem } = board.ends[self.process.rank].get_or_insert(end).clone();
        self.shared.changed.notify_all();
        Error::Distributed { process: process.to_string(), problem }
    }

    /// The message of `peer` is none of this call: it makes another one, or this one after a call in which
    /// `peer` has ended.
    fn another_call(&self, peer: usize) -> Error {
        let problem =
            "makes another call than the others; all must make the same calls in the same order";
        let another = End { process: self.of(peer), problem: problem.to_owned() };
        let mut board = self.shared.board();
        let end = board.ends[peer].clone().unwrap_or(another);
        self.end_on(&mut board, end)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let problem = "has ended before the others".to_owned();
        let end = End { process: self.process, problem };
        // What it sent is still received.
        let _ = self.end_on(&mut self.shared.board(), end);
    }
}

impl Shared {
    /// A panic elsewhere leaves the board as it was.
    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::in_threads;
    use super::*;

    fn text(result: Result<()>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn messages_of_any_size_are_exchanged_in_order() {
        in_threads(3, |transport| {
            let Process { rank, count } = transport.process();
            let message = |from: usize, to: usize, round: usize| {
                vec![(100 * from + 10 * to + round) as u8; (from + 2 * to) * round]
            };
            for round in 0..20 {
                for peer in 0..count {
                    let expected = message(peer, rank, round);
                    let mut received = vec![0; expected.len()];
                    transport.exchange(peer, &message(rank, peer, round), &mut received).unwrap();
                    assert_eq!(received, expected);
                }
            }
        });
    }

    #[test]
    fn every_process_gets_what_is_broadcast() {
        in_threads(4, |transport| {
            for root in [2, 2, 0, 3] {
                let mut bytes = vec![transport.process().rank as u8; 5 + root];
                transport.broadcast(root, &mut bytes).unwrap();
                assert_eq!(bytes, vec![root as u8; 5 + root]);
            }
        });
    }

    #[test]
    fn a_barrier_waits_for_all() {
        let here = std::sync::atomic::AtomicUsize::new(0);
        in_threads(4, |transport| {
            for round in 1..=50 {
                here.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                transport.barrier().unwrap();
                assert!(here.load(std::sync::atomic::Ordering::SeqCst) >= 4 * round);
            }
        });
    }

    #[test]
    fn sizes_that_do_not_agree_are_an_error_on_both_sides() {
        // What either sends, and expects.
        for [first, second] in [[[4, 8], [4, 4]], [[8, 4], [4, 4]], [[0, 1], [0, 0]]] {
            let errors = in_threads(2, |transport| {
                let rank = transport.process().rank;
                let [sent, expected] = [first, second][rank];
                text(transport.exchange(1 - rank, &vec![0; sent], &mut vec![0; expected]))
            });
            let says = |of: usize,
                        [sent, expected]: [usize; 2],
                        [sent_to, expected_of]: [usize; 2]| {
                format!(
                    "process {of} of 2: sent {sent} bytes where {expected_of} were expected, and \
                     expected {expected} where {sent_to} were sent"
                )
            };
            let by_both = [says(1, second, first), says(0, first, second)];
            // Who sees it second may learn of it from the first one.
            assert!(errors.iter().all(|error| by_both.contains(error)), "{errors:?}");
        }
    }

    #[test]
    fn an_end_reaches_all_that_wait_for_each_other() {
        // 0 waits for 1, which waits for 2, which waits for 3, which ends.
        for (fails, problem) in [(true, "failed: no power"), (false, "has ended before the others")]
        {
            let errors = in_threads(4, |transport| match transport.process().rank {
                3 => {
                    if fails {
                        transport.fail("no power");
                    }
                    String::new()
                }
                rank => text(transport.exchange(rank + 1, &[1], &mut [0])),
            });
            let expected = format!("process 3 of 4: {problem}");
            assert_eq!(errors[..3], [&*expected, &expected, &expected]);
        }
    }

    #[test]
    fn an_end_reaches_all_that_wait_in_a_collective_call() {
        for root in 0..3 {
            let errors = in_threads(3, |transport| {
                if transport.process().rank == 1 {
                    transport.fail("no power");
                    return None;
                }
                transport.barrier().err().map(|error| error.to_string())
            });
            let expected = Some("process 1 of 3: failed: no power".to_owned());
            assert_eq!(errors, [expected.clone(), None, expected]);
            let errors = in_threads(3, |transport| {
                if transport.process().rank == root {
                    return None;
                }
                transport.broadcast(root, &mut Vec::new()).err().map(|error| error.to_string())
            });
            let expected = format!("process {root} of 3: has ended before the others");
            for (rank, error) in errors.into_iter().enumerate() {
                assert_eq!(error, (rank != root).then(|| expected.clone()));
            }
        }
    }

    #[test]
    fn a_thread_that_panics_ends() {
        let group = InProcess::group(2);
        std::thread::scope(|scope| {
            let [first, second] = group.try_into().unwrap();
            let panics = scope.spawn(move || {
                let _transport: InProcess = first;
                std::panic::resume_unwind(Box::new("of the test"));
            });
            let error = text(second.exchange(0, &[], &mut []));
            assert_eq!(error, "process 0 of 2: has ended before the others");
            assert!(panics.join().is_err());
        });
    }

    #[test]
    fn what_was_sent_before_the_end_arrives_and_a_clone_goes_on() {
        let [first, second] = InProcess::group(2).try_into().unwrap();
        let clone = first.clone();
        drop(first);
        clone.broadcast(0, &mut b"bytes".to_vec()).unwrap();
        drop(clone);
        let mut bytes = Vec::new();
        second.broadcast(0, &mut bytes).unwrap();
        assert_eq!(bytes, b"bytes");
        assert!(second.broadcast(0, &mut bytes).is_err());
    }

    #[test]
    fn a_clone_that_fails_ends_a_call_under_way() {
        let [first, second] = InProcess::group(2).try_into().unwrap();
        let clone = first.clone();
        std::thread::scope(|scope| {
            let waits = scope.spawn(move || text(first.exchange(1, &[], &mut [])));
            clone.fail("stopped");
            assert_eq!(waits.join().unwrap(), "process 0 of 2: failed: stopped");
        });
        assert_eq!(text(second.barrier()), "process 0 of 2: failed: stopped");
        // The first reason stays.
        second.fail("another");
        assert_eq!(text(second.barrier()), "process 0 of 2: failed: stopped");
    }

    #[test]
    fn what_was_sent_before_a_failure_is_received() {
        let [first, second] = InProcess::group(2).try_into().unwrap();
        first.broadcast(0, &mut vec![7]).unwrap();
        first.fail("stopped");
        let mut bytes = Vec::new();
        second.broadcast(0, &mut bytes).unwrap();
        assert_eq!(bytes, [7]);
        assert_eq!(text(second.barrier()), "process 0 of 2: failed: stopped");
    }

    #[test]
    fn calls_that_do_not_go_together_are_errors() {
        let errors = in_threads(2, |transport| match transport.process().rank {
            0 => text(transport.exchange(1, &[1], &mut [0])),
            _ => text(transport.broadcast(0, &mut Vec::new())),
        });
        assert!(errors.iter().all(|error| error.contains("makes another call")), "{errors:?}");
        let [first, _second] = InProcess::group(2).try_into().unwrap();
        let error = text(first.exchange(2, &[], &mut []));
        assert_eq!(error, "process 0 of 2: has no peer 2; ranks are less than 2");
    }
}
