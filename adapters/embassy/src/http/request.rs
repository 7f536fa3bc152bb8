//! Requests, written window by window.

use core::fmt::{self, Write as _};

use gatepost_core::introspection::{Method, Request};

use crate::url::Url;

/// Writes one window of a text, which is all written each time.
pub(crate) struct Writer<'w> {
    window: &'w mut [u8],
    /// What lies before the window.
    skipped: usize,
    length: usize,
}

impl<'w> Writer<'w> {
    /// The window that begins behind `skipped` bytes.
    pub(crate) fn new(window: &'w mut [u8], skipped: usize) -> Self {
        Self {
            window,
            skipped,
            length: 0,
        }
    }

    /// How much of the window is filled.
    pub(crate) fn length(&self) -> usize {
        self.length
    }
}

/// Fails where the window is full.
impl fmt::Write for Writer<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let skipped = self.skipped.min(text.len());
        self.skipped = self.skipped.saturating_sub(skipped);
        let (_, text) = text.as_bytes().split_at(skipped);
        let room = self.window.get_mut(self.length..).unwrap_or_default();
        let taken = room.len().min(text.len());
        if let (Some(room), Some(text)) = (room.get_mut(..taken), text.get(..taken)) {
            room.copy_from_slice(text);
        }
        self.length = self.length.saturating_add(taken);
        (taken == text.len()).then_some(()).ok_or(fmt::Error)
    }
}

/// Counts what is written, and keeps nothing of it.
struct Count(usize);

impl fmt::Write for Count {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = self.0.saturating_add(text.len());
        Ok(())
    }
}

/// Writes a request for something public.
///
/// # Errors
/// Where the window is full.
pub(crate) fn write_get(out: &mut Writer<'_>, url: &Url<'_>) -> fmt::Result {
    write!(out, "GET {} HTTP/1.1\r\n", url.path)?;
    write_fields(out, url.authority, "application/json")?;
    out.write_str("\r\n")
}

/// Writes a request about a token to `url`, which is at least the beginning of the request's own.
///
/// # Errors
/// Where the window is full.
pub(crate) fn write_request(
    out: &mut Writer<'_>,
    url: &Url<'_>,
    request: &Request<'_>,
) -> fmt::Result {
    let method = match request.method() {
        Method::Get => "GET ",
        Method::Post => "POST ",
    };
    out.write_str(method)?;
    let mut target = Behind {
        skipped: url.origin_length,
        out,
    };
    request.write_url(&mut Any(&mut target))?;
    out.write_str(" HTTP/1.1\r\n")?;
    write_fields(out, url.authority, request.accept())?;
    let mut authorization = Count(0);
    request.write_authorization(&mut Any(&mut authorization))?;
    if authorization.0 > 0 {
        out.write_str("Authorization: ")?;
        request.write_authorization(&mut Any(out))?;
        out.write_str("\r\n")?;
    }
    if request.method() == Method::Post {
        let mut form = Count(0);
        request.write_form(&mut Any(&mut form))?;
        let (kind, length) = ("application/x-www-form-urlencoded", form.0);
        write!(out, "Content-Type: {kind}\r\nContent-Length: {length}\r\n")?;
    }
    out.write_str("\r\n")?;
    request.write_form(&mut Any(out))
}

/// Any of those above, so that what writes into them is there once.
struct Any<'a>(&'a mut dyn fmt::Write);

impl fmt::Write for Any<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write_str(text)
    }
}

fn write_fields(out: &mut Writer<'_>, authority: &str, accept: &str) -> fmt::Result {
    let agent = concat!("gatepost/", env!("CARGO_PKG_VERSION"));
    write!(out, "Host: {authority}\r\nUser-Agent: {agent}\r\n")?;
    write!(out, "Accept: {accept}\r\n")
}

/// Writes what is written into it, but for the first bytes.
struct Behind<'o, 'w> {
    skipped: usize,
    out: &'o mut Writer<'w>,
}

impl fmt::Write for Behind<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let skipped = self.skipped.min(text.len());
        self.skipped = self.skipped.saturating_sub(skipped);
        self.out.write_str(text.get(skipped..).ok_or(fmt::Error)?)
    }
}
