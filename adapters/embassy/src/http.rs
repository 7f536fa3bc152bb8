//! One request of HTTP/1.1 and its answer (RFC 9112), through a buffer that need not hold either whole.

mod answer;
mod head;
mod request;

use embedded_io_async::{Error, ErrorKind, Read, Write};
use gatepost_core::introspection::FetchFailure;

use crate::errands::Asker;

pub use answer::{AnswerReader, AnswerStep};
pub use head::AnswerHead;
pub(crate) use head::number;
pub(crate) use request::{Writer, write_get, write_request};

/// A request that failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Failed {
    pub(crate) why: FetchFailure,
    /// Whether the connection was closed before anything of an answer had come.
    pub(crate) was_closed: bool,
}

/// Sends the request of `asker` and has it take the answer; tells whether the connection is over then.
///
/// # Errors
/// [`FetchFailure::Connection`] where the connection breaks or the answer is not HTTP, [`FetchFailure::Timeout`] where
/// nothing comes, [`FetchFailure::TooLarge`] where the answer does not fit.
pub(crate) async fn exchange(
    transport: &mut (impl Read + Write),
    asker: &mut Asker<'_>,
) -> Result<bool, Failed> {
    let mut reader = AnswerReader::new();
    let done = converse(transport, asker, &mut reader).await;
    done.map_err(|why| Failed {
        why,
        was_closed: !reader.has_begun() && why == FetchFailure::Connection,
    })
}

async fn converse(
    transport: &mut (impl Read + Write),
    asker: &mut Asker<'_>,
    reader: &mut AnswerReader,
) -> Result<bool, FetchFailure> {
    let mut is_first = true;
    loop {
        let length = asker.window(is_first).await;
        is_first = false;
        match asker.buffer().get(..length) {
            None | Some([]) => break,
            Some(window) => transport
                .write_all(window)
                .await
                .map_err(|error| broken(&error))?,
        }
    }
    transport.flush().await.map_err(|error| broken(&error))?;
    loop {
        let (head, buffer) = asker.head_and_buffer()?;
        match reader.step(head, buffer)? {
            AnswerStep::Read => {
                let room = reader.room(buffer);
                let length = transport.read(room).await.map_err(|error| broken(&error))?;
                reader.came(length)?;
            }
            AnswerStep::Part { length, is_last } => {
                let stays = asker.part(length, is_last).await?;
                let (head, buffer) = asker.head_and_buffer()?;
                head.length = stays;
                if is_last {
                    return Ok(reader.is_over());
                }
                reader.stayed(stays, buffer)?;
            }
        }
    }
}

fn broken(error: &impl Error) -> FetchFailure {
    match error.kind() {
        ErrorKind::TimedOut => FetchFailure::Timeout,
        _ => FetchFailure::Connection,
    }
}

#[cfg(test)]
mod tests;
