//! The clients that are crates.

use std::io;

use async_imap::Authenticator;
use gatepost_tests::login::USER;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::{Message, SmtpTransport, Transport as _};

use super::client::Attempt;

/// Sends one message.
pub(crate) fn lettre(attempt: &Attempt) -> io::Result<bool> {
    let message = Message::builder()
        .from(USER.parse().map_err(io::Error::other)?)
        .to(attempt.recipient.parse().map_err(io::Error::other)?)
        .subject("lettre")
        .body("test".to_owned())
        .map_err(io::Error::other)?;
    let transport = SmtpTransport::builder_dangerous("127.0.0.1")
        .port(attempt.port)
        .authentication(vec![Mechanism::Xoauth2])
        .credentials(Credentials::new(USER.to_owned(), attempt.token.to_owned()))
        .build();
    Ok(transport.send(&message).is_ok())
}

/// Opens the inbox.
pub(crate) fn async_imap(attempt: &Attempt) -> io::Result<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(runtime.block_on(open_inbox(attempt)).is_ok())
}

/// The initial response, however often it is asked for: that is this crate's interface.
struct Xoauth2<'a>(&'a str);

impl Authenticator for Xoauth2<'_> {
    type Response = String;

    fn process(&mut self, _challenge: &[u8]) -> String {
        format!("user={USER}\x01auth=Bearer {}\x01\x01", self.0)
    }
}

async fn open_inbox(attempt: &Attempt<'_>) -> Result<(), async_imap::error::Error> {
    let stream = tokio::net::TcpStream::connect(("127.0.0.1", attempt.port)).await?;
    let mut client = async_imap::Client::new(stream);
    client.read_response().await?;
    let login = client.authenticate("XOAUTH2", Xoauth2(attempt.token));
    let mut session = login.await.map_err(|(error, _)| error)?;
    session.select("INBOX").await?;
    session.logout().await
}
