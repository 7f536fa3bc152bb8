//! One connection of a mail server, from its greeting to its end. All of it runs on the executor that has
//! the network.

use core::convert::Infallible;
use core::net::IpAddr;

use embassy_futures::select::{Either, Either3, select, select3};
use embassy_time::{Duration, Instant, Timer, with_deadline};
use embedded_io_async::{Read, Write};
use gatepost_core::dovecot::{
    Connection, Event, FixedTable, Greeting, Login, NotSent, ProtocolError, Ticket,
};
use gatepost_core::sasl::Mechanism;

use crate::limits::PENDING;
use crate::logins::{Arrival, Judged, Logins, Outcome, Response, Verdicts};
use crate::pool::Loan;

/// Bytes read at once; lines may be longer, for they are taken piece by piece.
const INPUT: usize = 128;

/// How long a client may take for its handshake, and for the rest of a line that it has begun; and how long
/// it may leave answers unread.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a connection ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    /// The client has closed it.
    Closed,
    /// It broke.
    Lost,
    /// The client broke the rules of the protocol.
    Protocol(ProtocolError),
    /// It took too long for its handshake, or for the rest of a line.
    Silent,
    /// It did not read what it was answered.
    Deaf,
    /// An answer is longer than the room for it.
    NoRoom,
}

/// What a connection waits for.
enum Wanted {
    /// More bytes.
    Input,
    /// A buffer for the response that begins.
    Buffer,
    /// The end of a login.
    Verdict,
}

/// What has been taken of the input.
enum Taken {
    /// Not all of it, or there is something to be written first.
    Part,
    /// All of it.
    All(Wanted),
    /// A response, up to its end.
    Response(Announced),
}

/// A login whose response has come: as much of it as lives while its connection waits.
struct Announced {
    ticket: Ticket,
    mechanism: Mechanism,
    remote: Option<IpAddr>,
    length: usize,
}

impl From<Login> for Announced {
    fn from(login: Login) -> Self {
        Self {
            ticket: login.ticket,
            mechanism: login.mechanism,
            remote: login.origin.remote.address,
            length: login.length,
        }
    }
}

/// Serves one connection until either side has had enough; `OUT` bytes hold the longest line of an answer.
///
/// `number` tells it from others of this start of the device. Its verdicts arrive at `verdicts`, which no
/// other connection uses at the same time.
pub async fn serve<const OUT: usize, const LOGINS: usize>(
    reader: &mut impl Read,
    writer: &mut impl Write,
    logins: &'static Logins<LOGINS>,
    verdicts: &'static Verdicts,
    number: u32,
) {
    let Some(mut session) = Session::<OUT, LOGINS>::new(logins, verdicts, number) else {
        log::error!("a connection's buffer is too small for the greeting");
        return;
    };
    let Err(end) = session.run(reader, writer).await;
    match end {
        End::Closed => log::debug!("connection ended; number={number}"),
        end => log::warn!("connection closed; number={number} reason={end:?}"),
    }
    session.finish().await;
}

struct Session<const OUT: usize, const LOGINS: usize> {
    logins: &'static Logins<LOGINS>,
    verdicts: &'static Verdicts,
    protocol: Connection<FixedTable<PENDING>>,
    input: [u8; INPUT],
    /// Which part of `input` is still to be taken.
    rest: core::ops::Range<usize>,
    /// One line that is still to be written.
    output: heapless::String<OUT>,
    loan: Option<Loan>,
    /// Logins whose verdicts are to come, whether their client still wants them or not.
    judging: usize,
    connected_at: Instant,
    /// Since when a line is unfinished, and the client expected to go on.
    line_since: Option<Instant>,
}

impl<const OUT: usize, const LOGINS: usize> Session<OUT, LOGINS> {
    fn new(
        logins: &'static Logins<LOGINS>,
        verdicts: &'static Verdicts,
        number: u32,
    ) -> Option<Self> {
        let greeting = Greeting {
            mechanisms: &Mechanism::BEARER,
            relayed: &[],
            pid: 1,
            connection: number,
            // Only the master protocol asks for it, which is not spoken here.
            cookie: [0; 16],
        };
        let mut output = heapless::String::new();
        let protocol = Connection::greet(&greeting, &mut output).ok()?;
        Some(Self {
            logins,
            verdicts,
            protocol,
            input: [0; INPUT],
            rest: 0..0,
            output,
            loan: None,
            judging: 0,
            connected_at: Instant::now(),
            line_since: None,
        })
    }

    async fn run(
        &mut self,
        reader: &mut impl Read,
        writer: &mut impl Write,
    ) -> Result<Infallible, End> {
        loop {
            self.write(writer).await?;
            match self.take_input()? {
                Taken::Part => {}
                Taken::All(wanted) => self.wait(wanted, reader).await?,
                Taken::Response(login) => self.hand_over(login).await,
            }
        }
    }

    /// Waits for what is wanted, and for verdicts.
    async fn wait(&mut self, wanted: Wanted, reader: &mut impl Read) -> Result<(), End> {
        let deadline = self.deadline(&wanted);
        let verdict = self.verdicts.receive();
        let lend = async {
            match wanted {
                Wanted::Buffer => self.logins.pool.lend().await,
                _ => core::future::pending().await,
            }
        };
        let read = async {
            match wanted {
                Wanted::Input => reader.read(&mut self.input).await,
                _ => core::future::pending().await,
            }
        };
        match select3(verdict, select(lend, read), deadline).await {
            Either3::First(judged) => self.answer(judged)?,
            Either3::Second(Either::First(loan)) => self.loan = Some(loan),
            Either3::Second(Either::Second(read)) => {
                let length = read.map_err(|_| End::Lost)?;
                self.rest = 0..length;
                if length == 0 {
                    return Err(End::Closed);
                }
            }
            Either3::Third(()) => return Err(End::Silent),
        }
        Ok(())
    }

    /// Lets logins that are being judged end: their verdicts are nobody else's.
    async fn finish(&mut self) {
        self.loan = None;
        while self.judging > 0 {
            drop(self.verdicts.receive().await);
            self.judging = self.judging.saturating_sub(1);
        }
    }

    /// Writes the line that is there.
    async fn write(&mut self, writer: &mut impl Write) -> Result<(), End> {
        if self.output.is_empty() {
            return Ok(());
        }
        let writing = async {
            writer.write_all(self.output.as_bytes()).await?;
            writer.flush().await
        };
        let written = with_deadline(Instant::now() + PATIENCE, writing).await;
        written.map_err(|_| End::Deaf)?.map_err(|_| End::Lost)?;
        self.output.clear();
        Ok(())
    }

    /// Takes what has been read up to the next event.
    fn take_input(&mut self) -> Result<Taken, End> {
        if self.judging >= PENDING {
            // Its client may have given up what is being judged; it takes its place all the same.
            return Ok(Taken::All(Wanted::Verdict));
        }
        let input = self.input.get(self.rest.clone()).unwrap_or_default();
        let buffer = self.loan.as_mut().map(Loan::as_mut).unwrap_or_default();
        let (used, event) = self.protocol.receive(input, buffer, &mut self.output);
        self.rest.start = self.rest.start.saturating_add(used);
        let wanted = match event {
            Event::Incomplete => Wanted::Input,
            Event::BufferWanted => Wanted::Buffer,
            Event::Busy => Wanted::Verdict,
            Event::Close(error) => return Err(End::Protocol(error)),
            event => return Ok(self.end_line(event)),
        };
        if matches!(wanted, Wanted::Input) && self.protocol.has_unfinished_line() {
            self.line_since = self.line_since.or_else(|| Some(Instant::now()));
        }
        Ok(if self.output.is_empty() {
            Taken::All(wanted)
        } else {
            Taken::Part
        })
    }

    fn end_line(&mut self, event: Event) -> Taken {
        self.line_since = None;
        if let Event::Response(login) = event {
            return Taken::Response(login.into());
        }
        self.loan = None;
        if let Event::Refused(refusal) = event {
            log::info!("login refused; reason={}", refusal.reason.code());
        }
        Taken::Part
    }

    /// Hands a login over to those who judge.
    async fn hand_over(&mut self, login: Announced) {
        let mut loan = match self.loan.take() {
            Some(loan) => loan,
            // An empty response needs no buffer, but its verdict does.
            None => self.logins.pool.lend().await,
        };
        loan.shrink(login.length);
        self.judging = self.judging.saturating_add(1);
        self.logins.hand_over(Arrival {
            ticket: login.ticket,
            mechanism: login.mechanism,
            response: Response {
                loan,
                length: login.length,
            },
            remote: login.remote,
            arrived_at: Instant::now(),
            verdicts: self.verdicts,
        });
    }

    fn answer(&mut self, judged: Judged) -> Result<(), End> {
        self.judging = self.judging.saturating_sub(1);
        let Judged {
            ticket,
            outcome,
            text,
        } = judged;
        let out = &mut self.output;
        let sent = match outcome {
            Outcome::Accepted => {
                let user = core::str::from_utf8(text.bytes()).unwrap_or_default();
                self.protocol.accept(ticket, user, &[], out)
            }
            Outcome::Challenged(why) => {
                let (json, failure) = (text.bytes(), why.failure(None));
                self.protocol.challenge(ticket, json, failure, out)
            }
            Outcome::Rejected(why) => self.protocol.fail(ticket, why.failure(None), out),
        };
        match sent {
            // Its client has given it up.
            Ok(()) | Err(NotSent::NotPending) => Ok(()),
            Err(_) => Err(End::NoRoom),
        }
    }

    /// When the client is taken for gone. An established, idle connection has no deadline: Postfix would
    /// lose its next login.
    fn deadline(&self, wanted: &Wanted) -> impl Future<Output = ()> + use<OUT, LOGINS> {
        let since = match wanted {
            _ if !self.protocol.is_handshaken() => Some(self.connected_at),
            Wanted::Input => self.line_since,
            Wanted::Buffer | Wanted::Verdict => None,
        };
        async move {
            match since {
                Some(since) => Timer::at(since + PATIENCE).await,
                None => core::future::pending().await,
            }
        }
    }
}
