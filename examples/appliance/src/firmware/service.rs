//! Gatepost's service: who listens, who asks and who judges, with the memory that each of them has.

use core::pin::pin;

use embassy_executor::{SpawnError, Spawner};
use embassy_net::tcp::TcpSocket;
use embassy_net::{IpAddress, Ipv4Cidr, Stack};
use embassy_time::{Duration, Instant, with_timeout};
use gatepost_core::UnixTime;
use gatepost_embassy::{
    Block, Clock, Court, Logins, Memory, Pool, Providers, Seat, Verdicts, keep_time, serve,
};
use static_cell::StaticCell;

use super::config::{
    ALLOWED, BUILT_AT, DISCOVERY, LIMITS, LINE, PORT, PROVIDERS, PROVIDERS_LEN, TIME, TYPES,
};
use super::{executor, providers};

const CONNECTIONS: usize = LIMITS.connections;
const JUDGES: usize = LIMITS.logins;
const LOGINS_LEN: usize = LIMITS.under_way();

/// Sockets: the connections', the providers' and one for the time.
pub(crate) const SOCKETS: usize = CONNECTIONS + providers::SOCKETS + 1;

/// Windows of a mail server's connection, in bytes: a line is taken piece by piece, and answers are short.
const RX: usize = 512;
const TX: usize = 256;

/// How long a mail server may take to open a connection, for as long as which it has a socket.
const OPENING: Duration = Duration::from_secs(5);

/// How often a silent mail server is asked whether it is still there, and after what silence it is not.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
const SILENCE: Duration = Duration::from_secs(100);

/// Between the numbers of two connections of one task: as many as there may be tasks.
const STRIDE: u32 = 64;

/// How long a connection may take to end.
const ENDING: Duration = Duration::from_secs(2);

pub(crate) type TheProviders = Providers<PROVIDERS_LEN, { LIMITS.keys }, { LIMITS.key_bytes }>;
pub(crate) type TheCourt = Court<PROVIDERS_LEN, { LIMITS.keys }, { LIMITS.key_bytes }, LOGINS_LEN>;

static MEMORY: Memory<[Block; LIMITS.blocks()]> = Memory::new();
static POOL: Pool<LOGINS_LEN> = Pool::new(&MEMORY, LIMITS.response());
static LOGINS: Logins<LOGINS_LEN> = Logins::new(&POOL);
pub(crate) static CLOCK: Clock = Clock::new(UnixTime::from_seconds(BUILT_AT));
static VERDICTS: [Verdicts; CONNECTIONS] = [const { Verdicts::new() }; CONNECTIONS];
static SEATS: [Seat; JUDGES] = [const { Seat::new() }; JUDGES];

/// Starts what has the network.
///
/// # Errors
/// When it runs already.
pub(crate) fn start_network(spawner: Spawner, stack: Stack<'static>) -> Result<(), SpawnError> {
    for (index, verdicts) in (0..).zip(&VERDICTS) {
        spawner.spawn(listen(stack, verdicts, index)?);
    }
    providers::start_network(spawner, stack)?;
    spawner.spawn(time(stack)?);
    log::info!("listening port={PORT}");
    Ok(())
}

/// Starts what judges.
///
/// # Errors
/// When it runs already.
#[inline(never)] // What is made here is large on its way to its place: its caller stays on the stack for ever.
pub(crate) fn start_judging(spawner: Spawner) -> Result<(), SpawnError> {
    static THE_PROVIDERS: StaticCell<TheProviders> = StaticCell::new();
    static THE_COURT: StaticCell<TheCourt> = StaticCell::new();
    static THE_SCRATCH: StaticCell<[u8; LIMITS.scratch()]> = StaticCell::new();
    let scratch = THE_SCRATCH.init_with(|| [0; _]);
    let errands = providers::ERRANDS;
    let the_providers: &'static TheProviders =
        THE_PROVIDERS.init_with(|| Providers::new(&PROVIDERS, TYPES, scratch, errands, &CLOCK));
    let court: &'static TheCourt =
        THE_COURT.init_with(|| Court::new(the_providers, &LOGINS, DISCOVERY, LIMITS.waiting()));
    for seat in &SEATS {
        spawner.spawn(judge(court, seat)?);
    }
    providers::start_judging(spawner, the_providers)
}

#[embassy_executor::task(pool_size = JUDGES)]
async fn judge(court: &'static TheCourt, seat: &'static Seat) -> ! {
    executor::watched(pin!(providers::sit(court, seat))).await
}

#[embassy_executor::task]
async fn time(stack: Stack<'static>) -> ! {
    // Without a generator, somebody who knows for how long the device has been up may foresee it.
    let nonce = || providers::random().unwrap_or_else(|| Instant::now().as_ticks());
    keep_time(stack, TIME, &CLOCK, nonce).await
}

/// Serves one mail server after the other. There is no backlog: one that finds nobody listening is refused.
#[embassy_executor::task(pool_size = CONNECTIONS)]
async fn listen(stack: Stack<'static>, verdicts: &'static Verdicts, mut number: u32) -> ! {
    let (mut received, mut sent) = ([0; RX], [0; TX]);
    loop {
        let mut socket = TcpSocket::new(stack, &mut received, &mut sent);
        socket.set_timeout(Some(OPENING));
        if socket.accept(PORT).await.is_ok() && is_allowed(&socket) {
            socket.set_keep_alive(Some(KEEP_ALIVE));
            socket.set_timeout(Some(SILENCE));
            let (mut reader, mut writer) = socket.split();
            serve::<LINE, LOGINS_LEN>(&mut reader, &mut writer, &LOGINS, verdicts, number).await;
            socket.close();
            let _ = with_timeout(ENDING, socket.flush()).await;
        }
        socket.abort();
        // Whoever does not take the end of a connection is not waited for.
        let _ = with_timeout(ENDING, socket.flush()).await;
        number = number.wrapping_add(STRIDE);
    }
}

fn is_allowed(socket: &TcpSocket<'_>) -> bool {
    let Some(allowed) = ALLOWED else { return true };
    let network = Ipv4Cidr::new(allowed.address, allowed.prefix);
    let remote = socket.remote_endpoint().map(|remote| remote.addr);
    let is_inside = remote.is_some_and(|IpAddress::Ipv4(address)| network.contains_addr(&address));
    if !is_inside {
        log::warn!("connection refused: not from where listen.from allows");
    }
    is_inside
}
