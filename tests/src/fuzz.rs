//! Fuzz targets, each a function that must not panic whatever the bytes are, and the mutations that
//! replay them without a fuzzer.
//!
//! `tests/fuzz` runs the targets under libFuzzer; `tests/tests/fuzz_replay.rs` runs them on their
//! seeds and on mutations of these.

use std::num::NonZeroU64;

/// A function under test and its name, which is also its file's in `tests/fuzz/targets` and its
/// folder's in `tests/fuzz/corpus`.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name.
    pub name: &'static str,
    /// Panics if the input breaks what must hold.
    pub run: fn(&[u8]),
}

/// Every target.
pub const TARGETS: &[Target] = &[];

/// Bytes that mean something in the grammars under test.
const TELLING: &[u8] = b"\0\x01\t\n\r \"&+,-./0129:;=[\\]_{}\x7f\x80\xc3\xff";

/// Longest run of bytes that one mutation inserts or repeats.
const MAX_RUN: usize = 64;

/// Changes inputs at random, always the same way for the same seed.
#[derive(Clone, Debug)]
pub struct Mutator {
    state: NonZeroU64,
}

impl Mutator {
    /// Starts a sequence of mutations.
    #[must_use]
    pub fn new(seed: NonZeroU64) -> Self {
        Self { state: seed }
    }

    /// Applies one to four mutations to `input`; `other` is what it may be spliced with.
    pub fn mutate(&mut self, input: &mut Vec<u8>, other: &[u8]) {
        for _ in 0..=self.below(4) {
            match self.below(5) {
                0 => self.flip(input),
                1 => self.insert(input),
                2 => self.delete(input),
                3 => self.splice(input, other),
                _ => self.repeat(input),
            }
        }
    }

    /// Changes one bit, or puts a telling byte in the place of another.
    fn flip(&mut self, input: &mut [u8]) {
        let position = self.below(input.len());
        let bit = self.below(16);
        let telling = self.telling();
        if let Some(byte) = input.get_mut(position) {
            *byte = if bit < 8 { *byte ^ (1 << bit) } else { telling };
        }
    }

    fn insert(&mut self, input: &mut Vec<u8>) {
        let position = self.below(input.len() + 1);
        let byte = self.telling();
        input.insert(position, byte);
    }

    fn delete(&mut self, input: &mut Vec<u8>) {
        let (start, end) = self.range(input.len());
        input.drain(start..end);
    }

    /// Continues `input` with the end of `other`.
    fn splice(&mut self, input: &mut Vec<u8>, other: &[u8]) {
        input.truncate(self.below(input.len() + 1));
        input.extend_from_slice(&other[self.below(other.len() + 1)..]);
    }

    /// Writes a part of `input` twice.
    fn repeat(&mut self, input: &mut Vec<u8>) {
        let (start, end) = self.range(input.len());
        let run = input[start..end].to_vec();
        input.splice(start..start, run);
    }

    /// A part of something `length` long.
    fn range(&mut self, length: usize) -> (usize, usize) {
        let start = self.below(length + 1);
        let end = start + self.below(MAX_RUN.min(length - start) + 1);
        (start, end)
    }

    fn telling(&mut self) -> u8 {
        TELLING[self.below(TELLING.len())]
    }

    /// A number below `bound`, or 0 where none is.
    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % bound).unwrap_or(0)
    }

    /// Marsaglia's xorshift ("Xorshift RNGs", 2003), shifts 13, 7 and 17: its period leaves out 0 only.
    fn next(&mut self) -> u64 {
        let mut state = self.state.get();
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        self.state = NonZeroU64::new(state).unwrap_or(NonZeroU64::MIN);
        state
    }
}
