//! What processes exchange, and how they end.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use minibatch::distributed::{Mpi, Process, Transport};
use mpi::traits::{Communicator, CommunicatorCollectives, Destination, Source};
use tempfile::TempDir;

use crate::mpirun::{Ended, is_alive, signal};
use crate::{SECONDS_10, done, meeting, start};

/// Runs a test of this file as `count` processes, each of which must succeed.
fn succeed(name: &str, count: usize, options: &[&str]) {
    let directory = TempDir::new().unwrap();
    crate::succeed(&format!("transport::{name}"), count, directory.path(), options);
}

/// What process `from` sends to process `to`.
fn message(from: usize, to: usize, bytes: usize) -> Vec<u8> {
    (0..bytes).map(|i| (i * 31 + i / 65_536 + from * 17 + to) as u8).collect()
}

fn exchange(mpi: &Mpi, peer: usize, sent: usize, received: usize) {
    let rank = mpi.process().rank;
    let mut bytes = vec![0; received];
    mpi.exchange(peer, &message(rank, peer, sent), &mut bytes).unwrap();
    assert!(bytes == message(peer, rank, received), "{rank} <- {peer}: other bytes");
}

fn broadcast(mpi: &Mpi, root: usize, bytes: usize) {
    let mut broadcast = match mpi.process().rank {
        rank if rank == root => message(root, root, bytes),
        rank => message(rank, rank, 3 * rank),
    };
    mpi.broadcast(root, &mut broadcast).unwrap();
    assert!(broadcast == message(root, root, bytes), "broadcast by {root}: other bytes");
}

#[test]
fn bytes_reach_every_process() {
    let Some(meeting) = meeting() else {
        for count in [1, 2, 3, 4] {
            succeed("bytes_reach_every_process", count, &[]);
        }
        return;
    };
    let mpi = Mpi::world().unwrap();
    let Process { rank, count } = mpi.process();
    for peer in 0..count {
        let sizes = |from: usize, to: usize| (from * 1000 + to * 7) % 5 * 1001;
        exchange(&mpi, peer, sizes(rank, peer), sizes(peer, rank));
        exchange(&mpi, peer, 100_000, 100_000);
    }
    (0..count).for_each(|root| broadcast(&mpi, root, root * 5000));
    if count == 2 {
        // Several messages of MPI's each, in both directions, and in one.
        const LARGE: usize = (2 << 26) + 5;
        exchange(&mpi, 1 - rank, [LARGE, 70_000_000][rank], [70_000_000, LARGE][rank]);
        exchange(&mpi, 1 - rank, [LARGE, 0][rank], [0, LARGE][rank]);
        broadcast(&mpi, 1, LARGE);
    }
    // Nobody leaves the barrier before the last one is there.
    let arrived = |rank: usize| meeting.join(format!("arrived-{rank}"));
    if rank == count - 1 {
        std::thread::sleep(Duration::from_millis(200));
    }
    fs::write(arrived(rank), "").unwrap();
    mpi.barrier().unwrap();
    assert!((0..count).all(|rank| arrived(rank).exists()));
    for wrong in [mpi.exchange(count, &[], &mut []), mpi.broadcast(count, &mut Vec::new())] {
        let wrong = wrong.unwrap_err().to_string();
        assert!(wrong.ends_with(&format!("is {count}, but there are {count} processes, from 0")));
    }
    done(mpi.process());
}

#[test]
fn a_message_of_another_size_is_an_error_that_names_both() {
    if meeting().is_none() {
        return succeed("a_message_of_another_size_is_an_error_that_names_both", 2, &[]);
    }
    let mpi = Mpi::world().unwrap();
    let Process { rank, .. } = mpi.process();
    for (peer, sent, received) in [(1 - rank, 7, 9), (rank, 7, 9)] {
        let error = mpi.exchange(peer, &vec![0; sent], &mut vec![0; received]).unwrap_err();
        let expected = format!(
            "process {rank} of 2: process {peer} has sent 7 bytes where 9 were expected; do all processes \
             run the same program with the same arguments?"
        );
        assert_eq!(error.to_string(), expected);
    }
    done(mpi.process());
}

#[test]
fn the_world_is_one_until_it_is_dropped() {
    if meeting().is_none() {
        return succeed("the_world_is_one_until_it_is_dropped", 2, &[]);
    }
    let mpi = Mpi::world().unwrap();
    let process = mpi.process();
    let again = Mpi::world().unwrap();
    drop(mpi);
    // In another thread, as the loop of a host may be.
    std::thread::scope(|scope| {
        scope.spawn(|| exchange(&again, 1 - process.rank, 10, 10));
    });
    drop(again);
    assert!(mpi::is_finalized());
    let error = Mpi::world().unwrap_err().to_string();
    assert!(error.starts_with("MPI: it is finalized, and cannot be initialized again"), "{error}");
    done(process);
}

#[test]
fn a_host_that_has_initialized_mpi_keeps_it() {
    if meeting().is_none() {
        return succeed("a_host_that_has_initialized_mpi_keeps_it", 2, &[]);
    }
    let (universe, _) = mpi::initialize_with_threading(mpi::Threading::Serialized).unwrap();
    let world = universe.world();
    // The host's message is under way while ours are.
    let peer = 1 - world.rank();
    let mut received = 0_u8;
    mpi::request::scope(|scope| {
        let receive = world.process_at_rank(peer).immediate_receive_into(scope, &mut received);
        for _ in 0..2 {
            let mpi = Mpi::world().unwrap();
            exchange(&mpi, peer as usize, 10, 10);
        }
        assert!(!mpi::is_finalized());
        world.process_at_rank(peer).send(&(world.rank() as u8 + 3));
        receive.wait();
    });
    assert_eq!(received, peer as u8 + 3);
    world.barrier();
    let (late, rank) = (Mpi::world().unwrap(), world.rank() as usize);
    drop(universe);
    let error = late.barrier().unwrap_err().to_string();
    assert!(error.starts_with(&format!("process {rank} of 2: it is finalized")), "{error}");
    done(late.process());
}

#[test]
fn a_host_whose_mpi_may_be_called_by_one_thread_alone_is_refused() {
    if meeting().is_none() {
        return succeed("a_host_whose_mpi_may_be_called_by_one_thread_alone_is_refused", 2, &[]);
    }
    let (universe, level) = mpi::initialize_with_threading(mpi::Threading::Funneled).unwrap();
    assert_eq!(level, mpi::Threading::Funneled);
    let error = Mpi::world().unwrap_err().to_string();
    assert!(error.starts_with("MPI: its threads are Funneled, at least Serialized"), "{error}");
    let (rank, count) = (universe.world().rank() as usize, universe.world().size() as usize);
    drop(universe);
    done(Process { rank, count });
}

#[test]
fn processes_share_the_cores_and_the_adapters_of_their_machine() {
    if meeting().is_none() {
        let name = "processes_share_the_cores_and_the_adapters_of_their_machine";
        for count in [1, 2, 4] {
            succeed(name, count, &["--bind-to", "none"]);
        }
        return;
    }
    let mpi = Mpi::world().unwrap();
    let Process { rank, count } = mpi.process();
    // All of them run on this machine, and may use all of its cores.
    assert_eq!(mpi.local(), mpi.process());
    let cores = std::thread::available_parallelism().unwrap().get();
    assert_eq!(mpi.threads(), (cores / count).max(1));
    assert_eq!([1, 2, 3].map(|adapters| mpi.adapter(adapters)), [0, rank % 2, rank % 3]);
    assert_eq!(mpi.adapter(0), 0);
    done(mpi.process());
}

/// Ends the last process in a way, while the others wait for it; what was printed. All must be gone then.
fn ends(name: &str, end: impl FnOnce(u32)) -> Ended {
    let count = 3;
    let directory = TempDir::new().unwrap();
    let mut job = start(&format!("transport::{name}"), count, directory.path(), &[]);
    let id = |rank: usize| {
        let text = fs::read_to_string(directory.path().join(format!("waits-{rank}"))).ok()?;
        text.strip_suffix('\n')?.parse::<u32>().ok()
    };
    let mut ids: Vec<Option<u32>> = Vec::new();
    while ids.len() < count || ids.contains(&None) {
        assert!(job.is_running(), "{:?}", job.end());
        std::thread::sleep(Duration::from_millis(2));
        ids = (0..count).map(id).collect();
    }
    let ids: Vec<u32> = ids.into_iter().flatten().collect();
    end(ids[count - 1]);
    let begun = Instant::now();
    let ended = job.end_within(SECONDS_10);
    assert!(!ended.status.success(), "{ended:?}");
    while ids.iter().any(|&id| is_alive(id)) {
        assert!(begun.elapsed() < SECONDS_10, "runs on: {ended:?}");
    }
    assert!(!ended.out.contains("is done"), "{ended:?}");
    ended
}

/// A process of [`ends`]: each says its number; the first ones wait for the last one.
fn wait_for_the_last(meeting: &Path, last: impl FnOnce(Mpi)) {
    let mpi = Mpi::world().unwrap();
    let Process { rank, count } = mpi.process();
    let path = meeting.join(format!("waits-{rank}"));
    fs::write(path, format!("{}\n", std::process::id())).unwrap();
    if rank == count - 1 {
        return last(mpi);
    }
    let mut received = [0; 8];
    let _ = mpi.exchange(count - 1, &[0; 8], &mut received);
    done(mpi.process());
}

#[test]
fn a_process_that_fails_ends_the_others() {
    if let Some(meeting) = meeting() {
        return wait_for_the_last(&meeting, |mpi| {
            mpi.fail("the data are gone");
            mpi.fail("and so is the model");
        });
    }
    let ended = ends("a_process_that_fails_ends_the_others", |_| {});
    let told = ended.err.lines().any(|line| line == "error: process 2 of 3: the data are gone");
    assert!(told && !ended.err.contains("so is the model"), "{}", ended.err);
}

#[test]
fn a_process_that_panics_ends_the_others() {
    if let Some(meeting) = meeting() {
        return wait_for_the_last(&meeting, |_mpi| panic!("on purpose"));
    }
    let ended = ends("a_process_that_panics_ends_the_others", |_| {});
    let told = ended.err.lines().any(|line| line == "error: process 2 of 3: it panicked");
    assert!(told && ended.err.contains("on purpose"), "{}", ended.err);
}

#[test]
fn a_process_that_is_killed_ends_the_others() {
    if let Some(meeting) = meeting() {
        return wait_for_the_last(&meeting, |_mpi| std::thread::sleep(Duration::from_secs(100)));
    }
    ends("a_process_that_is_killed_ends_the_others", |last| signal(last, "KILL"));
}

#[test]
fn a_process_that_exits_ends_the_others() {
    if let Some(meeting) = meeting() {
        return wait_for_the_last(&meeting, |_mpi| std::process::exit(3));
    }
    ends("a_process_that_exits_ends_the_others", |_| {});
}
