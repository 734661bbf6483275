//! Threads that execute one program together, each on its own part of every matrix.
//!
//! A step of training consists of some ten short phases. Handing each phase to a thread pool costs
//! an order of magnitude more than a barrier does, so the pool is used once for many steps. On
//! platforms without threads, such as wasm32, rayon reports one thread and a team is the caller.

use std::any::Any;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

use crate::error::{Error, Result};

/// Number of times that a member checks whether the others have arrived before it sleeps. Some 100 µs: the
/// phases of a step end within less of one another as long as every member has a core of its own, and a
/// sleeping member leaves its core to one whose core is busy with something else.
const SPINS: u32 = 4096;

/// The calling thread and the workers of a pool.
pub(super) struct Team {
    workers: Option<rayon::ThreadPool>,
}

impl Team {
    /// A team of `members` threads, including the caller.
    ///
    /// # Errors
    /// [`Error::Threads`] if the system does not provide them.
    pub(super) fn new(members: usize) -> Result<Self> {
        let workers = members.saturating_sub(1);
        if workers == 0 {
            return Ok(Self { workers: None });
        }
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(workers)
            .thread_name(|index| format!("bregman-{}", index + 1))
            .build();
        match pool {
            Ok(pool) => Ok(Self {
                workers: Some(pool),
            }),
            Err(error) => Err(Error::Threads {
                threads: members,
                message: error.to_string(),
            }),
        }
    }

    /// Number of members.
    pub(super) fn members(&self) -> usize {
        1 + self.workers.as_ref().map_or(0, |w| w.current_num_threads())
    }

    /// Runs `lead` on the calling thread, which is the first member, and `work` on all others. Both
    /// must wait at the same barriers.
    ///
    /// # Panics
    /// With the message of the first member to panic; the others leave their next barrier.
    pub(super) fn run(&self, work: impl Fn(Member<'_>) + Sync, lead: impl FnOnce(Member<'_>)) {
        let count = self.members();
        let barrier = Barrier::new(count);
        let member = |index| Member {
            index,
            count,
            barrier: &barrier,
        };
        let Some(workers) = &self.workers else {
            return lead(member(0));
        };
        let panic: Mutex<Option<Box<dyn Any + Send>>> = Mutex::new(None);
        let report = |payload| {
            let mut first = panic.lock().unwrap_or_else(PoisonError::into_inner);
            first.get_or_insert(payload);
            drop(first);
            // The others leave only now, so that theirs is not the first.
            barrier.poison();
        };
        workers.in_place_scope(|scope| {
            scope.spawn_broadcast(|_, context| {
                let run = || work(member(context.index() + 1));
                catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(report);
            });
            catch_unwind(AssertUnwindSafe(|| lead(member(0)))).unwrap_or_else(report);
        });
        let panic = panic.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(payload) = panic {
            resume_unwind(payload);
        }
    }
}

/// One thread of a running team.
#[derive(Clone, Copy)]
pub(super) struct Member<'a> {
    index: usize,
    count: usize,
    barrier: &'a Barrier,
}

impl Member<'_> {
    /// Whether this is the first member, which does what only one may do.
    pub(super) fn leads(self) -> bool {
        self.index == 0
    }

    /// Its place among the members, from 0.
    pub(super) fn index(self) -> usize {
        self.index
    }

    /// Returns when all members have called it; what they wrote before, every member may read after.
    pub(super) fn wait(self) {
        self.barrier.wait();
    }

    /// This member's part of `items`, cut between blocks of `block` items: parts are as even as
    /// possible and have at least `least` items, so that of few items some members get none.
    pub(super) fn share(self, items: usize, block: usize, least: usize) -> Range<usize> {
        let parts = (items / least).clamp(1, self.count);
        let blocks = items.div_ceil(block);
        let cut = |part: usize| (blocks * part.min(parts) / parts * block).min(items);
        cut(self.index)..cut(self.index + 1)
    }
}

/// A value on its own cache line.
#[repr(align(128))]
struct CachePadded<T>(T);

struct Barrier {
    members: usize,
    arrived: CachePadded<AtomicUsize>,
    generation: CachePadded<AtomicUsize>,
    /// Number of members that sleep or are about to.
    sleepers: AtomicUsize,
    poisoned: AtomicBool,
    /// Held to change what a sleeper waits for.
    lock: Mutex<()>,
    wake: Condvar,
}

impl Barrier {
    fn new(members: usize) -> Self {
        Self {
            members,
            arrived: CachePadded(AtomicUsize::new(0)),
            generation: CachePadded(AtomicUsize::new(0)),
            sleepers: AtomicUsize::new(0),
            poisoned: AtomicBool::new(false),
            lock: Mutex::new(()),
            wake: Condvar::new(),
        }
    }

    fn wait(&self) {
        let generation = self.generation.0.load(Ordering::Relaxed);
        if self.arrived.0.fetch_add(1, Ordering::AcqRel) + 1 == self.members {
            self.arrived.0.store(0, Ordering::Relaxed);
            let next = generation.wrapping_add(1);
            // Either this store is seen by one that is about to sleep, or that one is seen here.
            self.generation.0.store(next, Ordering::SeqCst);
            if self.sleepers.load(Ordering::SeqCst) > 0 {
                self.wake_all();
            }
            return;
        }
        for _ in 0..SPINS {
            if self.generation.0.load(Ordering::Acquire) != generation {
                return;
            }
            std::hint::spin_loop();
        }
        self.sleep(generation);
    }

    /// Sleeps until the members of `generation` have all arrived.
    #[cold]
    fn sleep(&self, generation: usize) {
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        let mut held = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        while self.generation.0.load(Ordering::SeqCst) == generation {
            // A member that panicked never arrives, and has said why.
            if self.poisoned.load(Ordering::SeqCst) {
                resume_unwind(Box::new("another member of the team panicked"));
            }
            let woken = self.wake.wait(held);
            held = woken.unwrap_or_else(PoisonError::into_inner);
        }
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
    }

    /// Releases the members that wait, now or later, for one that panicked.
    #[cold]
    fn poison(&self) {
        self.poisoned.store(true, Ordering::SeqCst);
        self.wake_all();
    }

    #[cold]
    fn wake_all(&self) {
        // One that is about to sleep has the lock until it does.
        drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner));
        self.wake.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;
    use std::time::Duration;

    use super::*;
    use crate::rng::{Purpose, Stream};

    const MEMBERS: usize = 4;
    const ROUNDS: usize = 300;

    /// Members that are late, by less than others spin and by more, so that some sleep.
    #[test]
    fn no_member_passes_a_barrier_before_all_have_come() {
        let team = Team::new(MEMBERS).expect("four threads");
        let come: Vec<AtomicUsize> = (0..ROUNDS).map(|_| AtomicUsize::new(0)).collect();
        let work = |member: Member<'_>| {
            let delays = Stream::new(5, Purpose::Digits, member.index() as u32);
            for (round, come) in come.iter().enumerate() {
                let delay = delays.uniform(round as u64);
                if delay > 0.8 {
                    sleep(Duration::from_secs_f32((delay - 0.8) * 0.01));
                }
                come.fetch_add(1, Ordering::Relaxed);
                member.wait();
                assert_eq!(come.load(Ordering::Relaxed), MEMBERS, "round {round}");
            }
        };
        team.run(work, work);
    }

    /// Whether the others spin or sleep by then, they do not wait for a member that panicked, and the caller
    /// hears what that one said.
    #[test]
    fn a_member_that_panics_releases_the_others() {
        let team = Team::new(MEMBERS).expect("four threads");
        for (round, culprit) in (0..ROUNDS).zip((0..MEMBERS).cycle()) {
            let work = |member: Member<'_>| {
                if member.index() == culprit {
                    sleep(Duration::from_micros(if round % 8 < 4 { 0 } else { 2000 }));
                    panic!("this one");
                }
                member.wait();
            };
            let ended = catch_unwind(AssertUnwindSafe(|| team.run(work, work)));
            let said = ended.expect_err("a panic");
            assert_eq!(said.downcast_ref(), Some(&"this one"), "round {round}");
        }
    }
}
