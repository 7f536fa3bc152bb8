//! What all logins share at one provider: the questions that may be under way, a queue before them that is fair to
//! networks, and whether the provider is asked at all.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gatepost_core::provider::{Admission, Asker, Breaker, Change, RequestOutcome};
use quick_cache::sync::Cache;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::{Fault, Limited};
use crate::fair::{Pushed, Queue, Ticket};
use crate::network::Network;
use crate::statistics::Requests;
use crate::trouble;

/// Questions that may wait: a tenth of a second's burst of a big site, some tens of megabytes at most.
const WAITING: usize = 4096;

/// How long one waits for its turn at most: mail clients give up after 30 to 60 s.
const MAX_WAIT: Duration = Duration::from_secs(20);

/// Networks that are remembered, each for good and for ill.
const NETWORKS: usize = 8192;

/// How long a good login makes a network one that may try whether the provider is back.
const TRUSTED: Duration = Duration::from_mins(10);

/// How long a question that failed is held against its network.
const BLAMED: Duration = Duration::from_mins(1);

/// What is shared; it outlives a reload that leaves the provider as it is.
pub(crate) struct Gate {
    provider: String,
    concurrency: usize,
    state: Mutex<State>,
    started: Instant,
    /// When a network's last good login was.
    good: Cache<Network, Instant>,
    /// Until when a network's failure is held against it.
    blamed: Cache<Network, Instant>,
    /// Until when a network is asked to wait.
    paused: Cache<Network, Instant>,
    openings: AtomicU64,
    busy: AtomicU64,
    pub(super) requests: Requests,
    pub(super) complaints: Limited<Fault>,
    pub(super) troubles: Limited<trouble::Kind>,
    refusals: Limited<()>,
}

struct State {
    under_way: usize,
    waiting: Queue<Waiting>,
    breaker: Breaker,
    /// Whether any login of this provider's was ever good.
    is_any_good: bool,
}

impl State {
    /// Why nobody is asked.
    fn why_not(&self) -> Fault {
        if self.breaker.waits_as_asked() {
            Fault::AskedToWait
        } else {
            Fault::NotAsked
        }
    }
}

struct Waiting {
    network: Network,
    grant: oneshot::Sender<Result<Slot, Fault>>,
}

/// The right to have one question under way. Its end gives it to whoever is next in turn.
pub(super) struct Slot {
    gate: Option<Arc<Gate>>,
    admission: Admission,
    is_reported: bool,
}

impl Gate {
    pub(crate) fn new(provider: &str, concurrency: usize) -> Arc<Self> {
        Arc::new(Self {
            provider: provider.to_owned(),
            concurrency,
            state: Mutex::new(State {
                under_way: 0,
                waiting: Queue::new(WAITING),
                breaker: Breaker::default(),
                is_any_good: false,
            }),
            started: Instant::now(),
            good: Cache::new(NETWORKS),
            blamed: Cache::new(NETWORKS),
            paused: Cache::new(NETWORKS),
            openings: AtomicU64::new(0),
            busy: AtomicU64::new(0),
            requests: Requests::default(),
            complaints: Limited::default(),
            troubles: Limited::default(),
            refusals: Limited::default(),
        })
    }

    /// Waits for the turn of `network`.
    pub(super) async fn enter(self: &Arc<Self>, network: Network) -> Result<Slot, Fault> {
        let mut place = match self.take_or_wait(network)? {
            Ok(slot) => return Ok(slot),
            Err(place) => place,
        };
        let granted = timeout(MAX_WAIT, &mut place.granted).await;
        drop(place);
        match granted {
            Ok(Ok(granted)) => granted,
            // Displaced by another network, or it has waited too long.
            Ok(Err(_)) | Err(_) => Err(self.refuse()),
        }
    }

    fn take_or_wait(self: &Arc<Self>, network: Network) -> Result<Result<Slot, Place>, Fault> {
        let mut state = self.state();
        if state.under_way < self.concurrency {
            let slot = self.admit(&mut state, network)?;
            state.under_way += 1;
            return Ok(Ok(slot));
        }
        if state.breaker.is_open() && self.asker(&state, network) != Asker::Trusted {
            return Err(state.why_not());
        }
        let (grant, granted) = oneshot::channel();
        // Who is displaced hears of it by the loss of its sender.
        match state.waiting.push(network, Waiting { network, grant }) {
            Pushed::Waits(ticket) | Pushed::Displaced(ticket, _) => Ok(Err(Place {
                gate: Arc::clone(self),
                ticket,
                granted,
            })),
            Pushed::Refused(_) => {
                drop(state);
                Err(self.refuse())
            }
        }
    }

    /// Counts a login that is refused because too many wait, and says so once in a while.
    fn refuse(&self) -> Fault {
        self.busy.fetch_add(1, Ordering::Relaxed);
        if let Some(left_out) = self.refusals.permits(()) {
            tracing::warn!(
                provider = self.provider,
                left_out = (left_out > 0).then_some(left_out),
                "logins refused: too many wait for the provider"
            );
        }
        Fault::Busy
    }

    /// Permits a question of `network`, unless the provider is left alone by it.
    fn admit(self: &Arc<Self>, state: &mut State, network: Network) -> Result<Slot, Fault> {
        if Self::is_until(&self.paused, network) {
            return Err(Fault::AskedToWait);
        }
        let asker = self.asker(state, network);
        match state.breaker.admit(self.now(), asker) {
            Some(admission) => Ok(Slot::new(self, admission)),
            None => Err(state.why_not()),
        }
    }

    /// Takes the outcome of a question of `network`; `None` for one of our own. True where the provider is left
    /// alone from now on.
    pub(super) fn report(
        &self,
        network: Option<Network>,
        admission: Admission,
        outcome: RequestOutcome,
    ) -> bool {
        let now = self.now();
        let change = self.state().breaker.report(now, admission, outcome);
        if let Some(Change::Opened(_)) = change {
            self.openings.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(network) = network {
            self.blame(network, outcome);
        }
        match change {
            Some(Change::Opened(pause)) => {
                let why = match outcome {
                    RequestOutcome::AskedToWait(_) => "it asks for a pause",
                    RequestOutcome::ServerError => "it answers with server errors only",
                    _ => "it does not answer",
                };
                tracing::warn!(
                    provider = self.provider,
                    seconds = pause.as_secs(),
                    why,
                    "provider left alone"
                );
                true
            }
            Some(Change::Closed) => {
                tracing::info!(provider = self.provider, "provider is back");
                false
            }
            None => false,
        }
    }

    fn blame(&self, network: Network, outcome: RequestOutcome) {
        match outcome {
            RequestOutcome::ServerError | RequestOutcome::NoAnswer => {
                self.blamed.insert(network, Instant::now() + BLAMED);
            }
            RequestOutcome::AskedToWait(_)
            | RequestOutcome::Answered
            | RequestOutcome::Abandoned => {}
        }
        if let Some(pause) = outcome.pause() {
            self.paused.insert(network, Instant::now() + pause);
        }
    }

    /// The provider has answered a question that is nobody's login.
    pub(super) fn has_answered(&self) {
        let now = self.now();
        self.state().breaker.has_answered(now);
    }

    /// A login of `network` was good.
    pub(crate) fn trust(&self, network: Network) {
        let now = Instant::now();
        let before = self.good.get(&network);
        if before.is_some_and(|before| now < before + TRUSTED / 10) {
            return;
        }
        self.good.insert(network, now);
        self.state().is_any_good = true;
    }

    /// Whether a login of `network` was good lately.
    pub(crate) fn is_trusted(&self, network: Network) -> bool {
        let good_at = self.good.get(&network);
        good_at.is_some_and(|good_at| good_at.elapsed() < TRUSTED)
    }

    /// How long until a question of our own may try whether the provider is back, where it is left alone.
    pub(super) fn probe_in(&self) -> Option<Duration> {
        self.state().breaker.probe_in(self.now())
    }

    /// Whether a question of our own may try now.
    pub(super) fn admit_probe(&self) -> Option<Admission> {
        let now = self.now();
        self.state().breaker.admit(now, Asker::Trusted)
    }

    /// Questions that wait, and those that are under way.
    pub(crate) fn load(&self) -> (usize, usize) {
        let state = self.state();
        (state.waiting.len(), state.under_way)
    }

    pub(crate) fn busy(&self) -> u64 {
        self.busy.load(Ordering::Relaxed)
    }

    /// Whether the provider is left alone, and how often that has begun.
    pub(crate) fn left_alone(&self) -> (bool, u64) {
        let is_open = self.state().breaker.is_open();
        (is_open, self.openings.load(Ordering::Relaxed))
    }

    /// Whether `network` is trusted: it had a good login lately, or nobody ever had and it is to blame for nothing, as
    /// far as that matters.
    fn asker(&self, state: &State, network: Network) -> Asker {
        if self.is_trusted(network) {
            return Asker::Trusted;
        }
        let is_blamed = Self::is_until(&self.blamed, network);
        match (state.is_any_good, is_blamed) {
            (false, true) if state.breaker.is_open() => Asker::Blamed,
            (false, _) => Asker::Trusted,
            (true, true) => Asker::Blamed,
            (true, false) => Asker::Unblamed,
        }
    }

    /// Whether what is remembered of `network` still counts.
    fn is_until(times: &Cache<Network, Instant>, network: Network) -> bool {
        times
            .get(&network)
            .is_some_and(|until| Instant::now() < until)
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a slot to whoever is next in turn, and tells those before that nobody is asked.
    fn pass_on(self: Arc<Self>) {
        loop {
            let Some(next) = ({
                let mut state = self.state();
                let next = state.waiting.pop();
                if next.is_none() {
                    state.under_way = state.under_way.saturating_sub(1);
                }
                next
            }) else {
                return;
            };
            let admitted = self.admit(&mut self.state(), next.network);
            let is_admitted = admitted.is_ok();
            match next.grant.send(admitted) {
                Ok(()) if is_admitted => return,
                Ok(()) | Err(Err(_)) => {}
                // It is gone meanwhile.
                Err(Ok(mut unused)) => {
                    unused.gate = None;
                    self.report(None, unused.admission, RequestOutcome::Abandoned);
                }
            }
        }
    }
}

impl Slot {
    fn new(gate: &Arc<Gate>, admission: Admission) -> Self {
        Self {
            gate: Some(Arc::clone(gate)),
            admission,
            is_reported: false,
        }
    }

    /// Takes the outcome of the question, which was of `network`; true where nobody is asked from now on.
    pub(super) fn report(&mut self, network: Network, outcome: RequestOutcome) -> bool {
        self.is_reported = true;
        let gate = self.gate.as_ref();
        gate.is_some_and(|gate| gate.report(Some(network), self.admission, outcome))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(gate) = self.gate.take() {
            if !self.is_reported {
                gate.report(None, self.admission, RequestOutcome::Abandoned);
            }
            gate.pass_on();
        }
    }
}

/// A place in the queue, which is given up with the login that waits.
struct Place {
    gate: Arc<Gate>,
    ticket: Ticket,
    granted: oneshot::Receiver<Result<Slot, Fault>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let _removed = self.gate.state().waiting.remove(self.ticket);
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinHandle;
    use tokio::time::advance;

    use super::RequestOutcome::{Answered, NoAnswer, ServerError};
    use super::*;

    fn network(number: u64) -> Network {
        Network::of_connection(number)
    }

    async fn enter(gate: &Arc<Gate>, number: u64) -> Result<Slot, Fault> {
        gate.enter(network(number)).await
    }

    /// One that enters, reports and leaves at once.
    fn asks(
        gate: &Arc<Gate>,
        number: u64,
        outcome: RequestOutcome,
    ) -> JoinHandle<Result<(), Fault>> {
        let gate = Arc::clone(gate);
        tokio::spawn(async move {
            let mut slot = enter(&gate, number).await?;
            slot.report(network(number), outcome);
            Ok(())
        })
    }

    async fn ask(gate: &Arc<Gate>, number: u64, outcome: RequestOutcome) -> Result<(), Fault> {
        asks(gate, number, outcome).await.unwrap()
    }

    async fn go_round() {
        for _ in 0..10_000 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever() {
        let gate = Gate::new("p", 1);
        let slot = enter(&gate, 1).await.unwrap();
        let begun = Instant::now();
        assert_eq!(ask(&gate, 2, Answered).await, Err(Fault::Busy));
        assert_eq!(begun.elapsed(), MAX_WAIT);
        assert_eq!((gate.busy(), gate.load()), (1, (0, 1)));
        drop(slot);
        assert_eq!(ask(&gate, 2, Answered).await, Ok(()));
        assert_eq!(gate.load(), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn thousands_wait_and_who_has_most_is_refused_first() {
        let gate = Gate::new("p", 1);
        let slot = enter(&gate, 1).await.unwrap();
        let flood: Vec<_> = (0..=WAITING).map(|_| asks(&gate, 1, Answered)).collect();
        go_round().await;
        let good = asks(&gate, 2, Answered);
        go_round().await;
        assert_eq!((gate.busy(), gate.load()), (2, (WAITING, 1)));
        drop(slot);
        assert_eq!(good.await.unwrap(), Ok(()));
        let mut refused = 0;
        for login in flood {
            refused += usize::from(login.await.unwrap() == Err(Fault::Busy));
        }
        assert_eq!(refused, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_the_queue_takes_nothing_along() {
        let gate = Gate::new("p", 1);
        let slot = enter(&gate, 1).await.unwrap();
        let gone = asks(&gate, 2, Answered);
        let other = asks(&gate, 3, Answered);
        go_round().await;
        gone.abort();
        go_round().await;
        assert_eq!(gate.load(), (1, 1));
        drop(slot);
        assert_eq!(other.await.unwrap(), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_queue_is_told_at_once_that_nobody_is_asked() {
        let gate = Gate::new("p", 1);
        let slot = enter(&gate, 1).await.unwrap();
        let waiting: Vec<_> = (0..100)
            .map(|number| asks(&gate, number, NoAnswer))
            .collect();
        go_round().await;
        let begun = Instant::now();
        drop(slot);
        let mut asked = 0;
        for login in waiting {
            asked += usize::from(login.await.unwrap().is_ok());
        }
        assert_eq!((asked, begun.elapsed()), (5, Duration::ZERO));
        assert_eq!(gate.left_alone(), (true, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_try_that_is_given_up_leaves_the_next_one() {
        let gate = Gate::new("p", 1);
        for _ in 0..5 {
            assert_eq!(ask(&gate, 1, NoAnswer).await, Ok(()));
        }
        advance(Duration::from_secs(1)).await;
        drop(enter(&gate, 2).await.unwrap());
        assert_eq!(ask(&gate, 3, Answered).await, Ok(()));
        assert_eq!(gate.left_alone(), (false, 1));
    }

    /// N5: ten tokens a second that a provider fails at, and a good login of another network now and then.
    #[tokio::test(start_paused = true)]
    async fn a_stranger_holds_no_breaker() {
        for has_metadata in [true, false] {
            let gate = Gate::new("p", 32);
            if has_metadata {
                gate.has_answered();
            }
            for tenth in 0..900_u64 {
                // Refused or not, it is the stranger's own affair.
                let _ = ask(&gate, 1, ServerError).await;
                if tenth % 50 == 49 {
                    assert_eq!(ask(&gate, 2, Answered).await, Ok(()), "{tenth}");
                    gate.trust(network(2));
                }
                advance(Duration::from_millis(100)).await;
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stranger_does_not_try_a_provider_that_had_good_logins() {
        let gate = Gate::new("p", 32);
        gate.trust(network(1));
        for _ in 0..5 {
            assert_eq!(ask(&gate, 2, NoAnswer).await, Ok(()));
        }
        advance(Duration::from_secs(1)).await;
        assert_eq!(ask(&gate, 3, Answered).await, Err(Fault::NotAsked));
        assert_eq!(ask(&gate, 1, Answered).await, Ok(()));
        assert_eq!(ask(&gate, 3, Answered).await, Ok(()));
    }

    /// A provider without metadata that knows no answer but 500 to what it does not know, our own question included.
    #[tokio::test(start_paused = true)]
    async fn a_stranger_shuts_nobody_out_for_good() {
        let gate = Gate::new("p", 32);
        assert_eq!(ask(&gate, 1, Answered).await, Ok(()));
        gate.trust(network(1));
        advance(Duration::from_secs(62)).await;
        for _ in 0..6 {
            let _ = ask(&gate, 2, ServerError).await;
        }
        assert!(gate.left_alone().0);
        advance(Duration::from_secs(620)).await;
        assert_eq!(ask(&gate, 2, ServerError).await, Ok(()), "it may try again");
        assert_eq!(ask(&gate, 3, Answered).await, Ok(()));
        assert_eq!(ask(&gate, 1, Answered).await, Ok(()));
    }

    /// Junk that the provider answers by `outcome`, some times a second, and a good login a second of another network.
    async fn flood(per_second: u32, outcome: RequestOutcome) {
        let gate = Gate::new("p", 32);
        assert_eq!(ask(&gate, 1, Answered).await, Ok(()));
        gate.trust(network(1));
        // Nobody was answered lately.
        advance(Duration::from_mins(2)).await;
        for second in 0..100 {
            for _ in 0..per_second {
                // Refused or not, it is the stranger's own affair.
                let _ = ask(&gate, 2, outcome).await;
                advance(Duration::from_secs(1) / per_second).await;
            }
            assert_eq!(
                ask(&gate, 1, Answered).await,
                Ok(()),
                "{second}: {outcome:?}"
            );
        }
        assert_eq!(ask(&gate, 3, Answered).await, Ok(()), "{outcome:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stranger_holds_no_breaker_by_whatever_its_tokens_bring_about() {
        for per_second in [1, 5, 100] {
            flood(per_second, NoAnswer).await;
            flood(per_second, ServerError).await;
            flood(
                per_second,
                RequestOutcome::AskedToWait(Duration::from_secs(30)),
            )
            .await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_is_kept_by_whoever_was_asked_for_it() {
        let pause = RequestOutcome::AskedToWait(Duration::from_secs(7));
        let gate = Gate::new("p", 32);
        assert_eq!(ask(&gate, 1, Answered).await, Ok(()));
        gate.trust(network(1));
        assert_eq!(ask(&gate, 2, pause).await, Ok(()));
        advance(Duration::from_secs(6)).await;
        assert_eq!(ask(&gate, 2, Answered).await, Err(Fault::AskedToWait));
        assert_eq!(ask(&gate, 3, Answered).await, Ok(()));
        advance(Duration::from_secs(1)).await;
        assert_eq!(ask(&gate, 2, Answered).await, Ok(()));
        // One that had a good login is no stranger.
        assert_eq!(ask(&gate, 1, pause).await, Ok(()));
        for number in [1, 2, 3] {
            let asked = ask(&gate, number, Answered).await;
            assert_eq!(asked, Err(Fault::AskedToWait), "{number}");
        }
        advance(Duration::from_secs(7)).await;
        for number in [1, 2, 3] {
            assert_eq!(ask(&gate, number, Answered).await, Ok(()), "{number}");
        }
    }
}
