//! A big site, simulated: 1,000 logins a second of 100,000 users, whose tokens are of 50 issuers, of which 5 are slow
//! and 2 are down.
//!
//! Real are the judging with its bounds, queues, caches and signatures, and the HTTP client with its connections over
//! loopback. Simulated are the issuers; the mail servers, which let each user log in from a network of its own, at any
//! time, with the same token always; and time, which stands still while anything is computed or sent. So a latency is
//! what a login has waited for others, and nothing of what it costs a processor, which benchmarks tell. It begins with
//! the daemon: nothing is known of any token.

mod issuers;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use gatepost_aws_lc::AwsLc;
use gatepost_core::introspection::{About, ClientPlace};
use gatepost_core::{UnixTime, exchange::LoginSettings, sasl::Mechanism};
use gatepost_tokio::{
    Attempt, ClientSettings, Network, OnlineSettings, Outcome, Place, ProviderSettings, Providers,
    Statistics, judge,
};
use issuers::{GOOD, Issuers, SLOW, Seen};
use serde_json::json;
use tokio::runtime::Handle;
use tokio::time::{Instant, advance};

const USERS: usize = 100_000;
/// Issuers, those that nobody has to ask, and those that are down.
const NUMBER: usize = 50;
const LOCAL: usize = 25;
const DOWN: usize = 2;
/// How often logins come, and how many then. Latencies are no finer.
const STEP: Duration = Duration::from_millis(20);
const LOGINS_A_STEP: usize = 20;
/// As long as an answer is kept: the caches fill, which is when most is asked.
const DURATION: Duration = Duration::from_mins(1);

/// The daemon's defaults: the answers that are kept, for how long, and how issuers are asked.
const ANSWER_CACHE: u64 = 64 << 20;
const CACHE: Duration = Duration::from_mins(1);
const TIMEOUT: Duration = Duration::from_secs(3);
const AT_ONCE: usize = 32;
/// How long a login waits for its turn at most.
const MAX_WAIT: Duration = Duration::from_secs(20);
/// Turns of the executor without any event, after which it is looked whether there will be more.
const QUIET: usize = 4;
/// Turns that a step may take: more are a fault, which the latencies will show.
const MAX_TURNS: usize = 10_000;

/// What an issuer is like.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Class {
    /// Its tokens are JWTs, which are judged here.
    Local,
    /// It is asked about each token, and answers soon.
    Asked,
    /// It takes seconds to answer.
    Slow,
    /// It answers nothing once its metadata were fetched.
    Down,
}

impl Class {
    const ALL: [Self; 4] = [Self::Local, Self::Asked, Self::Slow, Self::Down];

    fn of(issuer: usize) -> Self {
        match issuer {
            0..25 => Self::Local,
            25..43 => Self::Asked,
            43..48 => Self::Slow,
            _ => Self::Down,
        }
    }
}

/// One login that is over.
struct Login {
    class: Class,
    began: Duration,
    took: Duration,
    refused: Option<&'static str>,
}

struct Site {
    providers: Providers,
    issuers: Arc<Issuers>,
    /// Logins that go on, of each class.
    open: [AtomicUsize; Class::ALL.len()],
    logins: Mutex<Vec<Login>>,
    started: Instant,
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap().as_secs().try_into().unwrap()
}

fn address(user: usize) -> String {
    format!("user{user}@{}.example", user % NUMBER)
}

fn settings(issuers: &Issuers, issuer: usize) -> ProviderSettings {
    let mut settings = ProviderSettings::new(issuer.to_string(), Some(vec!["mail".to_owned()]));
    settings.issuer = Some(issuers.url(issuer));
    settings.username_claims = vec!["email".to_owned()];
    settings.domains = vec![format!("{issuer}.example")];
    let mut online = OnlineSettings {
        cache: CACHE,
        ..OnlineSettings::default()
    };
    (online.http.timeout, online.http.concurrency) = (TIMEOUT, AT_ONCE);
    if Class::of(issuer) != Class::Local {
        online.about = Some(About::OpaqueTokens);
        online.client = Some(ClientSettings {
            id: "rs".to_owned(),
            secret: "secret".to_owned(),
            place: ClientPlace::Basic,
        });
    }
    settings.online = Some(online);
    settings
}

impl Site {
    async fn start() -> Arc<Self> {
        let issuers = Issuers::start().await;
        let settings = (0..NUMBER).map(|issuer| settings(&issuers, issuer));
        let place = Place {
            runtime: Handle::current(),
            state: None,
            answer_cache: ANSWER_CACHE,
        };
        let (providers, _) = Providers::start(&AwsLc, settings.collect(), &place, None).unwrap();
        tokio::select! {
            () = providers.looked_for() => {}
            () = never_idle() => {}
        }
        issuers.are_down.store(true, Ordering::Relaxed);
        Arc::new(Self {
            providers,
            issuers,
            open: Default::default(),
            logins: Mutex::default(),
            started: Instant::now(),
        })
    }

    /// The token that a user has, the same each time.
    fn token(&self, user: usize) -> String {
        let issuer = user % NUMBER;
        if Class::of(issuer) != Class::Local {
            return format!("opaque-{user}");
        }
        let claims = json!({
            "iss": self.issuers.url(issuer), "sub": user.to_string(), "aud": "mail", "email": address(user),
            "exp": 4_000_000_000_u64,
        });
        self.issuers.mint.sign("EdDSA", &claims)
    }

    async fn log_in(&self, user: usize) {
        let class = Class::of(user % NUMBER);
        let [_, a, b, c] = u32::try_from(user).unwrap().to_be_bytes();
        let message = format!(
            "user={}\x01auth=Bearer {}\x01\x01",
            address(user),
            self.token(user)
        );
        let attempt = Attempt {
            mechanism: Mechanism::XOAuth2,
            message: message.as_bytes(),
            origin: None,
            network: Network::of([10, a, b, c].into()),
        };
        let began = Instant::now();
        let clock = || UnixTime::from_seconds(now());
        let verdict = judge(&self.providers, LoginSettings::default(), attempt, clock).await;
        let login = Login {
            class,
            began: began - self.started,
            took: began.elapsed(),
            refused: match verdict.outcome {
                Outcome::Accepted(_) => None,
                Outcome::Refused { rejection, .. } => Some(rejection.code()),
            },
        };
        self.logins.lock().unwrap().push(login);
        self.open(class).fetch_sub(1, Ordering::Relaxed);
        self.issuers.happened();
    }

    fn open(&self, class: Class) -> &AtomicUsize {
        &self.open[class as usize]
    }

    fn is_idle(&self) -> bool {
        self.open
            .iter()
            .all(|open| open.load(Ordering::Relaxed) == 0)
    }

    /// Whether nobody waits for anything but time: all questions that are on their way have arrived.
    fn is_settled(&self) -> bool {
        let figures = self.providers.statistics();
        let under_way: usize = figures.iter().map(|one| one.under_way).sum();
        self.open(Class::Local).load(Ordering::Relaxed) == 0
            && under_way == self.issuers.held.load(Ordering::Relaxed)
    }

    /// Lets everything happen that takes no time.
    async fn settle(&self) {
        let events = || self.issuers.events.load(Ordering::Relaxed);
        for _ in 0..MAX_TURNS / QUIET {
            let before = events();
            for _ in 0..QUIET {
                tokio::task::yield_now().await;
            }
            if events() == before && self.is_settled() {
                return;
            }
        }
    }
}

/// Keeps the executor from idling, in which time would pass by itself.
async fn never_idle() {
    loop {
        tokio::task::yield_now().await;
    }
}

/// Whose login is next: anybody's, but the same ones in each run.
struct Users(u64);

impl Iterator for Users {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        // Marsaglia's xorshift.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % USERS as u64).ok()
    }
}

/// Runs the whole of it.
async fn simulate() -> Arc<Site> {
    let site = Site::start().await;
    let mut users = Users(0x9e37_79b9_7f4a_7c15);
    while site.started.elapsed() < DURATION || !site.is_idle() {
        if site.started.elapsed() < DURATION {
            for user in users.by_ref().take(LOGINS_A_STEP) {
                let login = Arc::clone(&site);
                site.open(Class::of(user % NUMBER))
                    .fetch_add(1, Ordering::Relaxed);
                tokio::spawn(async move { login.log_in(user).await });
            }
        }
        site.settle().await;
        advance(STEP).await;
    }
    site
}

/// What became of the logins of one class, and what its issuers were asked.
#[derive(Default)]
struct Figures {
    good: usize,
    busy: usize,
    /// Refused for now, because the provider does not answer.
    failed: usize,
    /// All latencies, in order.
    took: Vec<Duration>,
    /// The most that one of its issuers was asked.
    fetches: usize,
    introspections: usize,
    soonest: Option<Duration>,
    /// The most that is kept of one of its issuers.
    answers: usize,
    bytes: u64,
    opened: u64,
}

impl Figures {
    fn of(class: Class, logins: &[Login], seen: &[Seen], statistics: &[Statistics]) -> Self {
        let mut figures = Self::default();
        for login in logins.iter().filter(|login| login.class == class) {
            match login.refused {
                None => figures.good += 1,
                Some("busy") => figures.busy += 1,
                Some("provider_unavailable") => figures.failed += 1,
                Some(other) => panic!("{class:?}: {other}"),
            }
            figures.took.push(login.took);
        }
        figures.took.sort();
        for (issuer, (seen, statistics)) in seen.iter().zip(statistics).enumerate() {
            if Class::of(issuer) == class {
                figures.fetches = figures.fetches.max(seen.fetches);
                figures.introspections = figures.introspections.max(seen.introspections);
                figures.soonest = figures.soonest.into_iter().chain(seen.soonest).min();
                figures.answers = figures.answers.max(statistics.answers_kept);
                figures.bytes = figures.bytes.max(statistics.answers_kept_bytes);
                figures.opened = figures.opened.max(statistics.left_alone);
            }
        }
        figures
    }

    /// The latency that so many of 100 logins do not exceed.
    fn percentile(&self, percent: usize) -> Duration {
        self.took[(self.took.len() - 1) * percent / 100]
    }

    fn longest(&self) -> Duration {
        self.percentile(100)
    }

    fn row(&self, class: Class) -> String {
        let seconds = [50, 99, 100].map(|percent| self.percentile(percent).as_secs_f64());
        let [half, most, longest] = seconds;
        format!(
            "{:<5} {:>6} {:>4} {:>6}  {half:>6.2} {most:>6.2} {longest:>6.2}  {:>7} {:>9} {:>7} {:>8}",
            format!("{class:?}"),
            self.good,
            self.busy,
            self.failed,
            self.fetches,
            self.introspections,
            self.answers,
            self.bytes,
        )
    }
}

/// What [`Figures::row`] says: seconds of waiting, and the most of any one issuer.
const HEADINGS: &str =
    "class   good busy failed     p50    p99    max  fetches questions answers    bytes";

#[tokio::test(start_paused = true)]
async fn a_big_site_notices_its_slow_and_silent_issuers_only_at_these() {
    let site = simulate().await;
    let (seen, statistics) = (site.issuers.seen(), site.providers.statistics());
    let logins = site.logins.lock().unwrap();
    let figures = Class::ALL.map(|class| Figures::of(class, &logins, &seen, &statistics));
    println!("{HEADINGS}");
    for (class, figures) in Class::ALL.into_iter().zip(&figures) {
        println!("{}", figures.row(class));
    }
    let [local, asked, slow, down] = &figures;
    for good in [local, asked] {
        assert_eq!((good.busy, good.failed), (0, 0));
    }
    assert_eq!(local.longest(), Duration::ZERO);
    assert!(asked.longest() <= GOOD + STEP, "what its own issuer takes");
    check_slow(slow);
    check_down(down, &logins);
    for figures in [asked, slow] {
        let soonest = figures.soonest.unwrap_or(CACHE);
        assert!(
            soonest >= CACHE,
            "asked about one token twice in {soonest:?}"
        );
    }
    let share = ANSWER_CACHE / (NUMBER - LOCAL) as u64;
    assert_eq!((local.fetches, asked.fetches, slow.fetches), (2, 2, 2));
    for figures in &figures {
        assert!(figures.bytes <= share, "{} bytes are kept", figures.bytes);
    }
}

/// All have their verdict in time, for the issuer is asked as fast as it answers; beyond that they are refused.
fn check_slow(slow: &Figures) {
    assert_eq!(slow.failed, 0);
    assert!(slow.longest() <= MAX_WAIT + SLOW + STEP);
    let rounds = DURATION.as_millis() / SLOW.as_millis();
    assert!(slow.introspections >= AT_ONCE * usize::try_from(rounds - 1).unwrap());
}

/// Logins wait for a time-out until the breaker has opened. Then only who tries for all others does.
fn check_down(down: &Figures, logins: &[Login]) {
    assert_eq!((down.good, down.busy), (0, 0));
    assert!(down.longest() <= 2 * TIMEOUT);
    let opened = usize::try_from(down.opened).unwrap();
    let late = logins.iter().filter(|login| {
        login.class == Class::Down && login.began > 2 * TIMEOUT && !login.took.is_zero()
    });
    assert!(late.count() <= DOWN * opened);
    // Five time-outs open it, while four of them let others ask.
    assert!(down.introspections <= AT_ONCE + 4 + opened);
}
