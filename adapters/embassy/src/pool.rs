//! Memory for the logins that are under way: blocks, of which each login takes as many as its response
//! needs and gives back as soon as it is judged.
//!
//! The only unsafe code of this crate: runs of blocks are lent out as slices that live as long as their
//! [`Loan`], which no borrow of the whole pool could.

use core::cell::{RefCell, UnsafeCell};
use core::future::poll_fn;
use core::task::{Context, Poll};

use embassy_sync::blocking_mutex::{Mutex, raw::CriticalSectionRawMutex};
use embassy_sync::semaphore::{FairSemaphore, Semaphore as _};
use embassy_sync::waitqueue::WakerRegistration;

use crate::limits::{BLOCK, MAX_BLOCKS};

/// Who is lent a run of blocks: each in its turn, and up to `WAITING` wait.
pub struct Pool<const WAITING: usize> {
    /// Whose turn it is to look for a run; the others are not woken.
    turn: FairSemaphore<CriticalSectionRawMutex, WAITING>,
    memory: &'static Memory,
    /// Most blocks that one login takes.
    run: usize,
}

/// The blocks, and which are lent: nobody touches them past that, whatever pools there are. All of it is zeros at
/// first, which take no flash.
pub struct Memory<B: ?Sized = [Block]> {
    state: Mutex<CriticalSectionRawMutex, RefCell<State>>,
    blocks: B,
}

struct State {
    /// One bit a block.
    taken: [u32; MAX_BLOCKS.div_ceil(32)],
    /// The one whose turn it is.
    waiting: WakerRegistration,
}

/// One block. Who may touch it is decided by the memory that owns it, which alone makes it.
#[repr(transparent)]
pub struct Block(UnsafeCell<[u8; BLOCK]>);

// SAFETY: a block is only touched through the one `Loan` that holds its bit in `State::taken`, of the
// memory that owns it.
unsafe impl Sync for Block {}

impl core::fmt::Debug for Block {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Block(..)")
    }
}

impl<const N: usize> Memory<[Block; N]> {
    /// `N` blocks, none of them lent.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            state: Mutex::new(RefCell::new(State {
                taken: [0; _],
                waiting: WakerRegistration::new(),
            })),
            blocks: [const { Block(UnsafeCell::new([0; BLOCK])) }; N],
        }
    }
}

impl<const N: usize> Default for Memory<[Block; N]> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const WAITING: usize> Pool<WAITING> {
    /// Lends `memory`, of which no other pool lends; its longest responses have `longest` bytes.
    ///
    /// # Panics
    /// Where it does not hold one such response, or has more than 512 blocks: when the image is built.
    #[must_use]
    pub const fn new(memory: &'static Memory, longest: usize) -> Self {
        let (run, blocks) = (longest.div_ceil(BLOCK), memory.blocks.len());
        assert!(
            blocks <= MAX_BLOCKS && 0 < run && run <= blocks,
            "too many blocks, or too few"
        );
        Self {
            turn: FairSemaphore::new(1),
            memory,
            run,
        }
    }

    /// Takes a run that holds the longest response, as soon as there is one.
    pub(crate) async fn lend(&'static self) -> Loan {
        // Fails only where more wait than there are.
        let _turn = self.turn.acquire(1).await.ok();
        poll_fn(|context| self.memory.poll_lend(self.run, context)).await
    }
}

impl Memory {
    fn poll_lend(&'static self, run: usize, context: &mut Context<'_>) -> Poll<Loan> {
        self.state.lock(|state| {
            let mut state = state.borrow_mut();
            let Some(first) = state.free_run(run, self.blocks.len()) else {
                state.waiting.register(context.waker());
                return Poll::Pending;
            };
            state.mark(first, run, true);
            Poll::Ready(Loan {
                memory: self,
                first,
                blocks: run,
            })
        })
    }

    fn give_back(&self, first: usize, blocks: usize) {
        self.state.lock(|state| {
            let mut state = state.borrow_mut();
            state.mark(first, blocks, false);
            state.waiting.wake();
        });
    }
}

impl State {
    /// The first of so many free blocks side by side, among the first `of`.
    fn free_run(&self, run: usize, of: usize) -> Option<usize> {
        let mut free = 0_usize;
        (0..of).find_map(|block| {
            free = if self.is_taken(block) {
                0
            } else {
                free.saturating_add(1)
            };
            let beyond = block.saturating_add(1);
            (free >= run).then(|| beyond.saturating_sub(run))
        })
    }

    fn is_taken(&self, block: usize) -> bool {
        let word = self.taken.get(block / 32).copied();
        word.is_none_or(|word| word >> (block % 32) & 1 == 1)
    }

    fn mark(&mut self, first: usize, blocks: usize, is_taken: bool) {
        for block in first..first.saturating_add(blocks) {
            let Some(word) = self.taken.get_mut(block / 32) else {
                return;
            };
            let bit = 1 << (block % 32);
            *word = if is_taken { *word | bit } else { *word & !bit };
        }
    }
}

/// A run of blocks, which goes back when it is dropped, empty.
pub(crate) struct Loan {
    memory: &'static Memory,
    first: usize,
    blocks: usize,
}

impl Loan {
    /// Keeps as many blocks as `length` bytes need.
    pub(crate) fn shrink(&mut self, length: usize) {
        let needed = length.div_ceil(BLOCK).max(1);
        let rest = self.blocks.saturating_sub(needed);
        if let Some(unused) = self.as_mut().get_mut(needed.saturating_mul(BLOCK)..) {
            unused.fill(0);
        }
        self.blocks = self.blocks.saturating_sub(rest);
        self.memory
            .give_back(self.first.saturating_add(self.blocks), rest);
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        let start = self.start();
        // SAFETY: the blocks lie side by side in one array, inside of which the run is (`poll_lend` has chosen
        // it there, `shrink` only makes it shorter). Their bits are taken for this loan alone, so that nobody
        // else touches them; it is borrowed for as long as the slice lives.
        unsafe { core::slice::from_raw_parts(start, self.length()) }
    }

    pub(crate) fn as_mut(&mut self) -> &mut [u8] {
        let start = self.start();
        // SAFETY: as above, and it is borrowed by this slice alone. Blocks are cells, which may be written to
        // through a shared reference to the pool.
        unsafe { core::slice::from_raw_parts_mut(start, self.length()) }
    }

    /// The first byte of the run: a pointer to all blocks behind it, too.
    fn start(&self) -> *mut u8 {
        let blocks = self.memory.blocks.get(self.first..).unwrap_or_default();
        UnsafeCell::raw_get(blocks.as_ptr().cast::<UnsafeCell<u8>>())
    }

    fn length(&self) -> usize {
        self.blocks.saturating_mul(BLOCK)
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        // The next login shall not find this one's token.
        self.as_mut().fill(0);
        self.memory.give_back(self.first, self.blocks);
    }
}

impl core::fmt::Debug for Loan {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Loan(..)")
    }
}

impl<B: ?Sized> core::fmt::Debug for Memory<B> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Memory(..)")
    }
}

impl<const WAITING: usize> core::fmt::Debug for Pool<WAITING> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Pool(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::sync::atomic::{AtomicUsize, Ordering};
    use core::task::Waker;
    use embassy_futures::{block_on, poll_once};
    use std::boxed::Box;
    use std::sync::Arc;
    use std::task::Wake;

    /// Longest response of these tests: three blocks.
    const LONGEST: usize = 3 * BLOCK;

    #[test]
    fn a_response_takes_the_blocks_it_needs_and_no_more() {
        static MEMORY: Memory<[Block; 6]> = Memory::new();
        static POOL: Pool<2> = Pool::new(&MEMORY, LONGEST);
        let pool = &POOL;
        let mut loans = std::vec::Vec::new();
        for _ in 0..4 {
            let mut loan = block_on(pool.lend());
            assert_eq!(loan.as_slice().len(), LONGEST);
            loan.shrink(BLOCK);
            assert_eq!(loan.as_slice().len(), BLOCK);
            loans.push(loan);
        }
        assert!(poll_once(pool.lend()).is_pending(), "two blocks are left");
        loans.pop();
        assert!(poll_once(pool.lend()).is_ready());
    }

    #[test]
    fn loans_do_not_overlap_and_come_back_empty() {
        static MEMORY: Memory<[Block; 6]> = Memory::new();
        static POOL: Pool<2> = Pool::new(&MEMORY, LONGEST);
        let pool = &POOL;
        let (mut one, mut other) = (block_on(pool.lend()), block_on(pool.lend()));
        one.as_mut().fill(1);
        other.as_mut().fill(2);
        one.shrink(10);
        assert!(one.as_slice().iter().all(|byte| *byte == 1));
        assert!(other.as_slice().iter().all(|byte| *byte == 2));
        drop((one, other));
        let (one, other) = (block_on(pool.lend()), block_on(pool.lend()));
        assert!(
            one.as_slice()
                .iter()
                .chain(other.as_slice())
                .all(|byte| *byte == 0)
        );
    }

    /// Counts how often whoever waits is woken.
    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Woken {
        fn times(&self) -> usize {
            self.0.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn any_number_that_waits_is_served_in_turn_each_woken_once() {
        const CONNECTIONS: usize = 64;
        static MEMORY: Memory<[Block; 3]> = Memory::new();
        static POOL: Pool<CONNECTIONS> = Pool::new(&MEMORY, LONGEST);
        let pool = &POOL;
        let mut held = block_on(pool.lend());
        let mut waiting = std::vec::Vec::new();
        for _ in 0..CONNECTIONS {
            let (mut lend, woken) = (Box::pin(pool.lend()), Arc::<Woken>::default());
            let waker = Waker::from(Arc::clone(&woken));
            assert!(
                lend.as_mut()
                    .poll(&mut Context::from_waker(&waker))
                    .is_pending()
            );
            waiting.push((lend, waker, woken));
        }
        assert!(waiting.iter().all(|(_, _, woken)| woken.times() == 0));
        for next in 0..CONNECTIONS {
            drop(held);
            let woken = waiting.iter().map(|(_, _, woken)| woken.times());
            let expected = (0..CONNECTIONS).map(|number| usize::from(number <= next));
            assert!(woken.eq(expected), "at {next}");
            let (lend, waker, _) = &mut waiting[next];
            let Poll::Ready(loan) = lend.as_mut().poll(&mut Context::from_waker(waker)) else {
                panic!("{next} was woken");
            };
            held = loan;
        }
    }

    #[test]
    fn two_pools_never_share_a_block() {
        static MEMORY: Memory<[Block; 3]> = Memory::new();
        static ONE: Pool<1> = Pool::new(&MEMORY, LONGEST);
        static OTHER: Pool<1> = Pool::new(&MEMORY, LONGEST);
        let one = block_on(ONE.lend());
        assert!(poll_once(OTHER.lend()).is_pending());
        drop(one);
        assert!(poll_once(OTHER.lend()).is_ready());
    }

    #[test]
    fn a_run_begins_anywhere_and_no_block_is_lent_twice() {
        static MEMORY: Memory<[Block; MAX_BLOCKS]> = Memory::new();
        static POOL: Pool<2> = Pool::new(&MEMORY, LONGEST);
        let pool = &POOL;
        let mut loans = std::vec::Vec::new();
        while let Poll::Ready(mut loan) = poll_once(pool.lend()) {
            loan.shrink(2 * BLOCK);
            loans.push(loan);
        }
        // The last two are too few for a run.
        assert_eq!(loans.len(), MAX_BLOCKS / 2 - 1);
        let mut taken: std::vec::Vec<usize> = loans
            .iter()
            .flat_map(|loan| loan.first..loan.first + loan.blocks)
            .collect();
        taken.dedup();
        assert_eq!(taken.len(), 2 * loans.len());
        drop(loans);
        assert!(poll_once(pool.lend()).is_ready());
    }

    #[test]
    fn who_waits_is_woken_by_what_comes_back() {
        static MEMORY: Memory<[Block; 3]> = Memory::new();
        static POOL: Pool<2> = Pool::new(&MEMORY, LONGEST);
        let pool = &POOL;
        let first = block_on(pool.lend());
        let waiting = core::pin::pin!(pool.lend());
        let dropping = async move { drop(first) };
        let (loan, ()) = block_on(embassy_futures::join::join(waiting, dropping));
        assert_eq!(loan.as_slice().len(), LONGEST);
    }
}
