//! The buffer that a response is decoded into: as long as what has come of it.

use gatepost_core::dovecot::MAX_RESPONSE;

/// The longest name of LOGIN that is put before its password, with the two bytes around it (RFC 4616 section 2).
const MAX_NAME: usize = 98;

/// How much longer than a response its buffer may be, in bytes.
const SLACK: usize = 512;

/// A response, or its beginning. It is never printed, and nothing is left of it in memory.
#[derive(Default)]
pub(super) struct Response {
    bytes: Vec<u8>,
    /// How many characters of it may have come.
    come: usize,
}

impl Response {
    /// The buffer, with room for `more` characters of base64.
    pub(super) fn with_room_for(&mut self, more: usize) -> &mut [u8] {
        self.come = self.come.saturating_add(more);
        let room = (self.come / 4 * 3).saturating_add(3 + MAX_NAME);
        let room = room.min(MAX_RESPONSE);
        if room > self.bytes.len() {
            let mut longer = vec![0; room];
            for (to, from) in longer.iter_mut().zip(&mut self.bytes) {
                *to = std::mem::take(from);
            }
            self.bytes = longer;
        }
        &mut self.bytes
    }

    /// The first `length` bytes are the response.
    pub(super) fn finish(mut self, length: usize) -> Self {
        // Room was made for whatever came with it: other logins, maybe, which have buffers of their own.
        if self.bytes.len() > length.saturating_add(SLACK) {
            let whole = self.bytes.get(..length).unwrap_or_default().to_vec();
            self.bytes.fill(0);
            self.bytes = whole;
        }
        self.bytes.truncate(length);
        self
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Response {
    fn drop(&mut self) {
        // Whoever gets this memory next shall find no token in it.
        self.bytes.fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_with_what_comes_and_keeps_what_has() {
        let mut response = Response::default();
        let room = response.with_room_for(400);
        assert!((300..500).contains(&room.len()));
        room[..3].copy_from_slice(b"abc");
        let room = response.with_room_for(400);
        assert!(room.len() >= 600 && room.starts_with(b"abc"));
        assert_eq!(response.with_room_for(usize::MAX).len(), MAX_RESPONSE);
        assert_eq!(response.finish(3).bytes(), b"abc");
    }

    /// Of pipelined logins the first makes room for all that came with it; while it is judged it keeps its own.
    #[test]
    fn while_it_is_judged_it_is_no_longer_than_it_has_to_be() {
        for length in [3, 1_500, MAX_RESPONSE] {
            let mut response = Response::default();
            response.with_room_for(1 << 20)[..length].fill(b'x');
            let response = response.finish(length);
            assert_eq!(response.bytes(), vec![b'x'; length]);
            assert!(response.bytes.capacity() <= length + SLACK);
        }
    }
}
