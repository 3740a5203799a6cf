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
///             minibatch::Result::Ok(())
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
            // What a process left before it ended is taken.
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

    /// Ends this process, as far as others wait for it. The first reason stays.
    fn end(&self, end: End) -> Error {
        let mut board = self.shared.board();
        let End { process, problem } = board.ends[self.process.rank].get_or_insert(end).clone();
        self.shared.changed.notify_all();
        Error::Distributed { process: process.to_string(), problem }
    }

    fn another_call(&self, peer: usize) -> Error {
        let problem =
            "makes another call than the others; all must make the same calls in the same \
                       order"
                .to_owned();
        self.end(End { process: self.of(peer), problem })
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let problem = "has ended before the others".to_owned();
        let _ = self.end(End { process: self.process, problem });
    }
}

impl Shared {
    /// A panic elsewhere leaves the board as it was.
    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
