//! How many bytes are read: tests prove with it that work is linear in the input. Costs nothing elsewhere.

#[cfg(not(test))]
pub(crate) use off::add;
#[cfg(test)]
pub(crate) use on::{add, during};

#[cfg(not(test))]
mod off {
    /// Notes that `bytes` have been read.
    #[inline]
    pub(crate) const fn add(_bytes: usize) {}
}

#[cfg(test)]
mod on {
    use std::cell::Cell;

    std::thread_local! {
        static BYTES: Cell<usize> = const { Cell::new(0) };
    }

    /// Notes that `bytes` have been read.
    pub(crate) fn add(bytes: usize) {
        BYTES.with(|count| count.set(count.get() + bytes));
    }

    /// How many bytes are read during `work`.
    pub(crate) fn during(work: impl FnOnce()) -> usize {
        let before = BYTES.get();
        work();
        BYTES.get() - before
    }
}
