//! Threads that go through one program together, each on its own part of every matrix.
//!
//! A step of training is some ten short phases. Handing each to a pool costs more than a barrier
//! does, by an order of magnitude, so the pool is asked once for many steps.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::error::{Error, Result};

/// How often a member looks whether the others have arrived before it offers its core to others.
const SPINS: u32 = 4096;

/// The calling thread, and a pool's workers beside it.
pub(super) struct Team {
    workers: Option<rayon::ThreadPool>,
}

impl Team {
    /// A team of `members`, the caller included.
    ///
    /// # Errors
    /// [`Error::Threads`] if the system does not give them.
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

    /// How many members there are.
    pub(super) fn members(&self) -> usize {
        1 + self.workers.as_ref().map_or(0, |w| w.current_num_threads())
    }

    /// Runs `work` on every member but the first, and `lead` as the first, on the calling thread.
    /// Both must meet the same barriers.
    pub(super) fn run(&self, work: impl Fn(Member<'_>) + Sync, lead: impl FnOnce(Member<'_>)) {
        let count = self.members();
        let barrier = Barrier::new(count);
        let member = |index| Member {
            index,
            count,
            barrier: &barrier,
        };
        match &self.workers {
            None => lead(member(0)),
            Some(workers) => workers.in_place_scope(|scope| {
                scope.spawn_broadcast(|_, context| {
                    let _guard = PoisonOnPanic(&barrier);
                    work(member(context.index() + 1));
                });
                let _guard = PoisonOnPanic(&barrier);
                lead(member(0));
            }),
        }
    }
}

/// One thread of a team at work.
#[derive(Clone, Copy)]
pub(super) struct Member<'a> {
    index: usize,
    count: usize,
    barrier: &'a Barrier,
}

impl Member<'_> {
    /// Whether this is the member that does what only one may do.
    pub(super) fn leads(self) -> bool {
        self.index == 0
    }

    /// Returns when all members are here; what they wrote before, each may read after.
    pub(super) fn wait(self) {
        self.barrier.wait();
    }

    /// This member's part of `items`, which come in blocks of `block`: even parts of at least
    /// `least` items, so that some members have none of a few.
    pub(super) fn share(self, items: usize, block: usize, least: usize) -> Range<usize> {
        let parts = (items / least).clamp(1, self.count);
        let blocks = items.div_ceil(block);
        let cut = |part: usize| (blocks * part.min(parts) / parts * block).min(items);
        cut(self.index)..cut(self.index + 1)
    }
}

/// On a cache line of its own.
#[repr(align(128))]
struct Apart<T>(T);

struct Barrier {
    members: usize,
    arrived: Apart<AtomicUsize>,
    generation: Apart<AtomicUsize>,
    poisoned: AtomicBool,
}

impl Barrier {
    fn new(members: usize) -> Self {
        Self {
            members,
            arrived: Apart(AtomicUsize::new(0)),
            generation: Apart(AtomicUsize::new(0)),
            poisoned: AtomicBool::new(false),
        }
    }

    fn wait(&self) {
        let generation = self.generation.0.load(Ordering::Relaxed);
        if self.arrived.0.fetch_add(1, Ordering::AcqRel) + 1 == self.members {
            self.arrived.0.store(0, Ordering::Relaxed);
            let next = generation.wrapping_add(1);
            self.generation.0.store(next, Ordering::Release);
            return;
        }
        let mut spins = 0;
        while self.generation.0.load(Ordering::Acquire) == generation {
            if spins < SPINS {
                spins += 1;
                std::hint::spin_loop();
            } else {
                // Whoever panicked will not come.
                let poisoned = self.poisoned.load(Ordering::Relaxed);
                assert!(!poisoned, "another thread of the team panicked");
                std::thread::yield_now();
            }
        }
    }
}

/// Releases those who wait for a member that panics.
struct PoisonOnPanic<'a>(&'a Barrier);

impl Drop for PoisonOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.poisoned.store(true, Ordering::Relaxed);
        }
    }
}
