//! Memory for the logins that are under way: blocks, of which each login takes as many as its response
//! needs and gives back as soon as it is judged.
//!
//! The only unsafe code of this crate: runs of blocks are lent out as slices that live as long as their
//! [`Loan`], which no borrow of the whole pool could.

use core::cell::{RefCell, UnsafeCell};
use core::future::poll_fn;
use core::task::{Context, Poll};

use embassy_sync::blocking_mutex::{Mutex, raw::CriticalSectionRawMutex};
use embassy_sync::waitqueue::MultiWakerRegistration;

/// Bytes of one block: a login with an opaque token takes one, one with a JWT of 1.3 KiB two.
pub const BLOCK: usize = 704;

/// Most blocks of a pool.
const MAX_BLOCKS: usize = 32;

/// Most who wait for blocks at once; one more has all of them look again.
const WAITING: usize = 8;

/// Blocks that are lent out in runs.
pub struct Pool {
    state: Mutex<CriticalSectionRawMutex, RefCell<State>>,
    /// Most blocks that one login takes.
    run: usize,
    blocks: &'static [Block],
}

struct State {
    /// One bit a block.
    taken: u32,
    waiting: MultiWakerRegistration<WAITING>,
}

/// One block. Who may touch it is decided by the pool.
#[repr(transparent)]
pub struct Block(UnsafeCell<[u8; BLOCK]>);

// SAFETY: a block is only touched through the one `Loan` that holds its bit in `State::taken`.
unsafe impl Sync for Block {}

impl Block {
    /// An empty block.
    #[must_use]
    pub const fn new() -> Self {
        Self(UnsafeCell::new([0; BLOCK]))
    }
}

impl Default for Block {
    fn default() -> Self {
        Self::new()
    }
}

impl core::fmt::Debug for Block {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Block(..)")
    }
}

impl Pool {
    /// A pool of `blocks`, which no other pool has; its longest responses have `longest` bytes.
    ///
    /// # Panics
    /// Where the blocks do not hold one such response, or are more than 32: when the image is built.
    #[must_use]
    pub const fn new<const N: usize>(blocks: &'static [Block; N], longest: usize) -> Self {
        let run = longest.div_ceil(BLOCK);
        assert!(
            N <= MAX_BLOCKS && 0 < run && run <= N,
            "too many blocks, or too few"
        );
        Self {
            state: Mutex::new(RefCell::new(State {
                taken: 0,
                waiting: MultiWakerRegistration::new(),
            })),
            run,
            blocks,
        }
    }

    /// Takes a run that holds the longest response, as soon as there is one.
    pub(crate) async fn lend(&'static self) -> Loan {
        poll_fn(|context| self.poll_lend(context)).await
    }

    fn poll_lend(&'static self, context: &mut Context<'_>) -> Poll<Loan> {
        self.state.lock(|state| {
            let mut state = state.borrow_mut();
            let last = self.blocks.len().saturating_sub(self.run);
            let mut places = 0..=last;
            let Some(first) = places.find(|first| state.taken & bits(*first, self.run) == 0) else {
                state.waiting.register(context.waker());
                return Poll::Pending;
            };
            state.taken |= bits(first, self.run);
            Poll::Ready(Loan {
                pool: self,
                first,
                blocks: self.run,
            })
        })
    }

    fn give_back(&self, first: usize, blocks: usize) {
        self.state.lock(|state| {
            let mut state = state.borrow_mut();
            state.taken &= !bits(first, blocks);
            state.waiting.wake();
        });
    }
}

/// A run of blocks, which goes back when it is dropped, empty.
pub(crate) struct Loan {
    pool: &'static Pool,
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
        self.pool
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
        let blocks = self.pool.blocks.get(self.first..).unwrap_or_default();
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
        self.pool.give_back(self.first, self.blocks);
    }
}

impl core::fmt::Debug for Loan {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Loan(..)")
    }
}

/// The bits of so many blocks from `first` on.
fn bits(first: usize, blocks: usize) -> u32 {
    let ones = (1_u64 << blocks).wrapping_sub(1);
    u32::try_from(ones << first).unwrap_or(0)
}

impl core::fmt::Debug for Pool {
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
        static BLOCKS: [Block; 6] = [const { Block::new() }; 6];
        static POOL: Pool = Pool::new(&BLOCKS, LONGEST);
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
        static BLOCKS: [Block; 6] = [const { Block::new() }; 6];
        static POOL: Pool = Pool::new(&BLOCKS, LONGEST);
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
        static BLOCKS: [Block; 3] = [const { Block::new() }; 3];
        static POOL: Pool = Pool::new(&BLOCKS, LONGEST);
        let mut held = block_on(POOL.lend());
        let mut waiting = std::vec::Vec::new();
        for _ in 0..CONNECTIONS {
            let (mut lend, woken) = (Box::pin(POOL.lend()), Arc::<Woken>::default());
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
        static BLOCKS: [Block; 3] = [const { Block::new() }; 3];
        static ONE: Pool = Pool::new(&BLOCKS, LONGEST);
        static OTHER: Pool = Pool::new(&BLOCKS, LONGEST);
        let (one, other) = (block_on(ONE.lend()), block_on(OTHER.lend()));
        assert_ne!(one.as_slice().as_ptr(), other.as_slice().as_ptr());
    }

    #[test]
    fn who_waits_is_woken_by_what_comes_back() {
        static BLOCKS: [Block; 3] = [const { Block::new() }; 3];
        static POOL: Pool = Pool::new(&BLOCKS, LONGEST);
        let pool = &POOL;
        let first = block_on(pool.lend());
        let waiting = core::pin::pin!(pool.lend());
        let dropping = async move { drop(first) };
        let (loan, ()) = block_on(embassy_futures::join::join(waiting, dropping));
        assert_eq!(loan.as_slice().len(), LONGEST);
    }
}
