//! The buffers that responses are decoded into: a pool for each thread, so that none is made for each login.

use std::cell::RefCell;

use gatepost_core::dovecot::MAX_RESPONSE;

/// Buffers that a thread keeps while nobody needs them.
const KEPT: usize = 32;

thread_local! {
    static POOL: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer with room for any response; it goes back into the pool when it goes out of scope.
pub(super) struct Buffer {
    bytes: Vec<u8>,
    used: usize,
}

impl Buffer {
    pub(super) fn lend() -> Self {
        let bytes = POOL.with_borrow_mut(Vec::pop);
        Self {
            bytes: bytes.unwrap_or_else(|| vec![0; MAX_RESPONSE]),
            used: MAX_RESPONSE,
        }
    }

    pub(super) fn as_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Says that only the first `length` bytes were written to, which are the response.
    pub(super) fn finish(mut self, length: usize) -> Self {
        self.used = length;
        self
    }

    /// The response.
    pub(super) fn response(&self) -> &[u8] {
        self.bytes.get(..self.used).unwrap_or_default()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        // The next login shall not find this one's token.
        bytes.iter_mut().take(self.used).for_each(|byte| *byte = 0);
        // Where the thread ends there is no pool any more.
        let _ = POOL.try_with(|pool| {
            if let Ok(mut pool) = pool.try_borrow_mut()
                && pool.len() < KEPT
            {
                pool.push(bytes);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_empty() {
        let mut buffer = Buffer::lend();
        buffer.as_mut()[..6].copy_from_slice(b"secret");
        let buffer = buffer.finish(6);
        assert_eq!(buffer.response(), b"secret");
        let place = buffer.response().as_ptr();
        drop(buffer);
        let again = Buffer::lend();
        assert_eq!(again.response().as_ptr(), place);
        assert!(again.response().iter().all(|byte| *byte == 0));
        assert_eq!(again.response().len(), MAX_RESPONSE);
        drop(again);
        let many: Vec<_> = (0..KEPT + 9).map(|_| Buffer::lend()).collect();
        drop(many);
        assert_eq!(POOL.with_borrow(Vec::len), KEPT);
    }
}
