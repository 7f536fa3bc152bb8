//! Logins with application passwords: which are asked about, and what becomes of each answer.

use gatepost_core::app_password::{AppPassword, Unfit};
use gatepost_core::dovecot::FailCode;
use gatepost_core::exchange::{
    Account, FoundAccount, FoundPassword, Input, LoginSettings, Output, Provider,
};
use gatepost_core::introspection::{Client, ClientPlace, Endpoints, FetchFailure, Grant, Mode};
use gatepost_core::sasl::{Mechanism, Status};
use gatepost_core::{Audience, Exchange, Policy, Rejection, UnixTime};

const NOW: UnixTime = UnixTime::from_seconds(1_795_312_000);
const MAILBOX: &str = "a.smith@example.com";
const PASSWORD: &str = "gp-csqq-awkm-cnjp-w832-f5t6-adej";
const ACCOUNT: Account<'_> = Account {
    is_active: true,
    mailbox: Some(MAILBOX),
    aliases: &["a.jones@example.com"],
    aliases_log_in: true,
};
const GOOD: FoundPassword<'_> = FoundPassword::Good(ACCOUNT);
const UNFIT: [Unfit; 6] = [
    Unfit::Unknown,
    Unfit::WrongService,
    Unfit::WrongNetwork,
    Unfit::Expired,
    Unfit::Revoked,
    Unfit::Disabled,
];

/// What came of a login.
#[derive(Debug, Eq, PartialEq)]
struct Came {
    verdict: Result<String, Rejection>,
    /// The user names and passwords that were looked for.
    asked: Vec<(String, String)>,
    /// How often a provider was shown a password.
    granted: usize,
    claimed: Option<String>,
}

impl Came {
    fn code(&self) -> Result<&str, &str> {
        match &self.verdict {
            Ok(user) => Ok(user),
            Err(why) => Err(why.code()),
        }
    }
}

/// A login where a provider takes passwords, and fails.
fn login(mechanism: Mechanism, message: &[u8], are_kept: bool, found: FoundPassword<'_>) -> Came {
    let policy = Policy::new("example", Audience::OneOf(&["mail"]));
    let providers = [Provider {
        policy: &policy,
        endpoints: Some(granting()),
    }];
    let mut room = [0; 16];
    let exchange = Exchange::new(LoginSettings::new(&providers), mechanism, message);
    let exchange = exchange.with_grant_buffer(&mut room);
    let mut exchange = exchange.with_accounts(true).with_passwords(are_kept);
    let (mut asked, mut granted) = (vec![], 0);
    let mut input = Input::Start;
    let verdict = loop {
        input = match exchange.step(NOW, input) {
            Output::FindPassword(query) => {
                let password = str::from_utf8(query.password.expose()).expect("ASCII");
                asked.push((query.user.to_owned(), password.to_owned()));
                Input::Password(found)
            }
            Output::Fetch(_) => {
                granted += 1;
                Input::FetchFailed(FetchFailure::Connection)
            }
            Output::Accept(identity) => {
                assert_eq!((identity.actor(), identity.expires_at()), (None, None));
                break Ok(identity.user().to_owned());
            }
            Output::Reject(why) => break Err(why),
            other => panic!("PLAIN has no such output: {other:?}"),
        };
    };
    assert!(exchange.token().is_none() && exchange.vouched_user(&mut []).is_none());
    Came {
        verdict,
        asked,
        granted,
        claimed: exchange.claimed_user().map(|name| name.chars().collect()),
    }
}

fn granting() -> Endpoints<'static> {
    Endpoints {
        tokeninfo: None,
        introspection: None,
        mode: Mode::Post,
        force_introspection: false,
        about: None,
        grant: Some(Grant {
            url: "https://id.example.com/token",
            scope: None,
        }),
        client: Some(Client {
            id: "rs",
            secret: "s",
            place: ClientPlace::Basic,
        }),
        allow_missing_audience: false,
        unauthorized_is_invalid_token: false,
        signed_answers: false,
    }
}

/// What comes of a name and a password, the same over both mechanisms.
#[track_caller]
fn enter(user: &str, password: &str, found: FoundPassword<'_>) -> Came {
    let message = format!("\0{user}\0{password}");
    let [plain, login] = [Mechanism::Plain, Mechanism::Login]
        .map(|mechanism| login(mechanism, message.as_bytes(), true, found));
    assert_eq!(plain, login);
    plain
}

#[test]
fn a_good_password_opens_the_mailbox_of_its_account() {
    let expected = Came {
        verdict: Ok(MAILBOX.to_owned()),
        asked: vec![(MAILBOX.to_owned(), "csqqawkmcnjpw832f5t6adej".to_owned())],
        granted: 0,
        claimed: Some(MAILBOX.to_owned()),
    };
    for typed in [
        PASSWORD,
        "GP-CSQQ-AWKM-CNJP-W832-F5T6-ADEJ",
        "gp-csqqawkmcnjpw832f5t6adej",
        " gp csqq awkm cnjp w832 f5t6 adej ",
        "Gp - csqq awkm-cnjp - w832 f5t6adej\t",
    ] {
        assert_eq!(enter(MAILBOX, typed, GOOD), expected, "{typed}");
    }
}

#[test]
fn the_account_of_a_good_password_is_judged_as_that_of_a_good_token() {
    let disabled = Account {
        is_active: false,
        ..ACCOUNT
    };
    let without = Account {
        mailbox: None,
        ..ACCOUNT
    };
    let mailbox_only = Account {
        aliases_log_in: false,
        ..ACCOUNT
    };
    let unusable = Account {
        mailbox: Some("a b"),
        ..ACCOUNT
    };
    for (user, account, expected) in [
        ("A.Smith@Example.com", ACCOUNT, Ok(MAILBOX)),
        ("a.jones@example.com", ACCOUNT, Ok(MAILBOX)),
        ("a.jones@example.com", mailbox_only, Err("account_renamed")),
        ("bob@example.com", ACCOUNT, Err("wrong_user")),
        (MAILBOX, disabled, Err("account_disabled")),
        (MAILBOX, without, Err("no_mailbox")),
        ("a b", unusable, Err("unusable_user_name")),
    ] {
        let came = enter(user, PASSWORD, FoundPassword::Good(account));
        assert_eq!(came.code(), expected, "{user}");
    }
}

/// What a mail server and its client are told of a failure, and how it counts.
fn tell(came: &Came) -> (Option<FailCode>, &'static str, Option<Status>, bool) {
    let why = *came.verdict.as_ref().expect_err("refused");
    let failure = why.failure(Some(MAILBOX));
    (failure.code, failure.reason, why.status(), why.is_guess())
}

#[test]
fn a_client_is_told_the_same_whatever_is_wrong_with_a_password() {
    let mut told = vec![];
    for (unfit, code) in UNFIT.into_iter().zip([
        "app_password_unknown",
        "app_password_wrong_service",
        "app_password_wrong_network",
        "app_password_expired",
        "app_password_revoked",
        "account_disabled",
    ]) {
        let came = enter(MAILBOX, PASSWORD, FoundPassword::Unfit(unfit));
        assert_eq!((came.code(), came.asked.len()), (Err(code), 1));
        told.push(tell(&came));
    }
    let disabled = Account {
        is_active: false,
        ..ACCOUNT
    };
    let came = enter(MAILBOX, PASSWORD, FoundPassword::Good(disabled));
    told.push(tell(&came));
    let (code, _, status, is_guess) = told[0];
    assert_eq!(
        (code, status, is_guess),
        (None, Some(Status::InvalidToken), true)
    );
    told.dedup();
    assert_eq!(told.len(), 1, "{told:?}");
}

#[test]
fn a_store_that_is_away_is_a_temporary_failure() {
    let came = enter(MAILBOX, PASSWORD, FoundPassword::Unavailable);
    assert_eq!(came.code(), Err("accounts_unavailable"));
    let why = came.verdict.expect_err("refused");
    assert_eq!(why.failure(None).code, Some(FailCode::TempFail));
}

#[test]
fn a_mistyped_password_is_no_guess_and_asked_about_nowhere() {
    for typed in [
        "gp-",
        "gp-secret",
        "gp-csqq-awkm-cnjp-w832-f5t6-adek",
        "gp-csqq-awkm-cnjp-w832-f5t6-ade",
        "gp-csqq-awkm-cnjp-w832-f5t6-adejj",
        "gp-scqq-awkm-cnjp-w832-f5t6-adej",
        "GP-CSQQ AWKM CNJP W832 F5T6 ADEK",
    ] {
        let came = enter(MAILBOX, typed, GOOD);
        assert_eq!(came.code(), Err("mistyped_password"), "{typed}");
        assert_eq!((came.asked, came.granted), (vec![], 0), "{typed}");
        let why = came.verdict.expect_err("refused");
        assert!(!why.is_guess() && why.status().is_some());
    }
}

#[test]
fn a_password_without_the_prefix_goes_on_to_the_provider() {
    for typed in [
        "secret",
        "gp",
        "gp_csqq",
        "csqq-awkm-cnjp-w832-f5t6-adej",
        "gp csqq awkm cnjp w832 f5t6 adek",
        "xgp-csqq-awkm-cnjp-w832-f5t6-adej",
    ] {
        let came = enter(MAILBOX, typed, GOOD);
        assert_eq!(came.code(), Err("provider_unavailable"), "{typed}");
        assert_eq!((came.asked, came.granted), (vec![], 1), "{typed}");
    }
}

#[test]
fn a_driver_that_keeps_no_passwords_now_is_asked_about_none() {
    for typed in [PASSWORD, "gp-secret"] {
        let message = format!("\0{MAILBOX}\0{typed}");
        let came = login(Mechanism::Plain, message.as_bytes(), false, GOOD);
        assert_eq!(came.code(), Err("password_not_taken"));
        assert_eq!((came.asked, came.granted), (vec![], 0));
    }
}

#[test]
fn nobody_enters_as_somebody_else_with_his_password() {
    let own = format!("{MAILBOX}\0{MAILBOX}\0{PASSWORD}");
    let foreign = format!("bob@example.com\0{MAILBOX}\0{PASSWORD}");
    let came = login(Mechanism::Plain, own.as_bytes(), true, GOOD);
    assert_eq!(came.code(), Ok(MAILBOX));
    let came = login(Mechanism::Plain, foreign.as_bytes(), true, GOOD);
    assert_eq!(came.code(), Err("malformed_response"));
    assert_eq!((came.asked, came.granted), (vec![], 0));
}

#[test]
fn a_password_in_the_place_of_the_name_is_repeated_to_nobody() {
    for name in [
        PASSWORD,
        "GP CSQQ AWKM CNJP W832 F5T6 ADEJ",
        &PASSWORD[..31],
    ] {
        for password in [PASSWORD, "secret"] {
            let came = enter(name, password, GOOD);
            assert_eq!(came.code(), Err("mistyped_password"), "{name}");
            assert_eq!((came.asked, came.granted, came.claimed), (vec![], 0, None));
        }
        let message = format!("user={name}\x01auth=Bearer t\x01\x01");
        let rules = LoginSettings::default();
        let mut exchange = Exchange::new(rules, Mechanism::XOAuth2, message.as_bytes());
        let output = exchange.step(NOW, Input::Start);
        assert!(matches!(output, Output::Challenge(_)));
        let code = exchange.rejection().map(Rejection::code);
        assert_eq!(code, Some("mistyped_password"));
        assert!(exchange.claimed_user().is_none());
        assert!(!format!("{exchange:?}").contains(name));
    }
}

#[test]
fn word_of_a_password_counts_only_where_it_was_asked_for() {
    let message = format!("\0{MAILBOX}\0{PASSWORD}");
    let start = || {
        let rules = LoginSettings::default();
        let exchange = Exchange::new(rules, Mechanism::Plain, message.as_bytes());
        exchange.with_accounts(true).with_passwords(true)
    };
    for unasked in [
        Input::Password(GOOD),
        Input::Account(FoundAccount::Known(ACCOUNT)),
        Input::NoNewerKeys,
        Input::Reply,
    ] {
        let mut exchange = start();
        assert!(matches!(
            exchange.step(NOW, unasked),
            Output::Reject(Rejection::OutOfOrder)
        ));
    }
    for wrong in [
        Input::Start,
        Input::Account(FoundAccount::Known(ACCOUNT)),
        Input::FetchFailed(FetchFailure::Connection),
        Input::Reply,
    ] {
        let mut exchange = start();
        assert!(matches!(
            exchange.step(NOW, Input::Start),
            Output::FindPassword(_)
        ));
        assert!(matches!(
            exchange.step(NOW, wrong),
            Output::Reject(Rejection::OutOfOrder)
        ));
        assert!(matches!(
            exchange.step(NOW, Input::Password(GOOD)),
            Output::Reject(Rejection::OutOfOrder)
        ));
    }
    // What has ended has ended.
    let mut exchange = start();
    let _ = exchange.step(NOW, Input::Start);
    let unfit = FoundPassword::Unfit(Unfit::Revoked);
    for answer in [unfit, GOOD] {
        assert!(matches!(
            exchange.step(NOW, Input::Password(answer)),
            Output::Reject(Rejection::AppPassword(Unfit::Revoked))
        ));
    }
}

#[test]
fn a_password_that_is_made_is_one_that_is_taken() {
    let password = AppPassword::from_random(*b"fourteen bytes");
    let mut room = [0; AppPassword::SHOWN_LEN];
    let shown = password.show(&mut room);
    assert_eq!(shown, PASSWORD);
    assert_eq!(enter(MAILBOX, shown, GOOD).code(), Ok(MAILBOX));
}
