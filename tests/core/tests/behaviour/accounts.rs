//! The account of a good token's user: what it is found by, and what becomes of the login.

use gatepost_core::exchange::{
    Account, AccountQuery, FoundAccount, Input, LoginSettings, MAX_PAYLOAD, Output, Provider,
    TrustedKey,
};
use gatepost_core::introspection::{About, Answer, Client, ClientPlace, Endpoints, Mode};
use gatepost_core::sasl::Mechanism;
use gatepost_core::{Audience, Delegate, Exchange, Policy, Tenant, UnixTime};
use gatepost_core_tests::judge::{BACKENDS, PreparedKey, oauthbearer, xoauth2};
use gatepost_core_tests::mint::Issuer;
use serde_json::{Value, json};

const NOW: i64 = 1_795_312_000;
const ISSUER: &str = "https://id.example.com";
const ALICE: &str = "alice@example.com";
const MAILBOX: &str = "a.smith@example.com";
const ALIASES: &[&str] = &["a.jones@example.com", "sales@example.com"];
const ACCOUNT: Account<'_> = Account {
    is_active: true,
    mailbox: Some(MAILBOX),
    aliases: ALIASES,
    aliases_log_in: true,
};

fn policy() -> Policy<'static> {
    let mut policy = Policy::new("example", Audience::OneOf(&["mail"]));
    policy.issuer = Some(ISSUER);
    policy.username_claims = &["email"];
    policy
}

fn claims(more: &Value) -> Value {
    let mut claims = json!({
        "iss": ISSUER, "sub": "s-1", "aud": "mail", "email": ALICE, "exp": NOW + 300,
    });
    for (name, value) in more.as_object().expect("an object") {
        claims[name] = value.clone();
    }
    claims
}

/// What an account was looked for by.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Asked {
    provider: usize,
    subject: Option<String>,
    name: String,
    address: Option<String>,
}

impl From<AccountQuery<'_>> for Asked {
    fn from(query: AccountQuery<'_>) -> Self {
        Self {
            provider: query.provider,
            subject: query.subject.map(str::to_owned),
            name: query.name.to_owned(),
            address: query.address.map(str::to_owned),
        }
    }
}

/// What came of a login: the verdict, what was asked about accounts, and how many challenges there were.
#[derive(Debug, Eq, PartialEq)]
struct Came {
    verdict: Result<String, &'static str>,
    asked: Vec<Asked>,
    challenges: usize,
}

/// A login whose user's account is known to be `found`.
struct Login<'l> {
    providers: &'l [Provider<'l>],
    keys: &'l [PreparedKey],
    answers: &'l [Value],
    found: FoundAccount<'l>,
    is_asked: bool,
}

impl Login<'_> {
    fn run(&self, token: &str, user: Option<&str>) -> Came {
        let (mechanism, message) = match user {
            Some(user) => (Mechanism::XOAuth2, xoauth2(user, token)),
            None => (Mechanism::OAuthBearer, oauthbearer(token)),
        };
        let mut trusted = vec![];
        for key in self.keys {
            trusted.push(TrustedKey::new(&*key.key, None));
        }
        let keys = vec![&trusted[..]; self.providers.len()];
        let mut scratch = vec![0; MAX_PAYLOAD];
        let bodies: Vec<_> = self.answers.iter().map(ToString::to_string).collect();
        let mut answers = bodies.iter().map(|body| Answer {
            status: 200,
            content_type: "application/json",
            www_authenticate: "",
            body: body.as_bytes(),
        });
        let mut answer;
        let (mut asked, mut challenges) = (vec![], 0);
        let rules = LoginSettings::new(self.providers);
        let exchange = Exchange::new(rules, mechanism, &message);
        let mut exchange = exchange.with_accounts(self.is_asked);
        let mut input = Input::Start;
        let verdict = loop {
            input = match exchange.step(UnixTime::from_seconds(NOW), input) {
                Output::FindKeys(_) => Input::Keys {
                    keys: &keys,
                    scratch: &mut scratch,
                },
                Output::FindNewerKeys(_) => Input::NoNewerKeys,
                Output::Fetch(_) => {
                    answer = answers.next().expect("an answer to each question");
                    Input::Fetched {
                        answer: &answer,
                        keys: &keys,
                        scratch: &mut scratch,
                    }
                }
                Output::Again => panic!("no answer is signed"),
                Output::FindAccount(query) => {
                    asked.push(query.into());
                    Input::Account(self.found)
                }
                Output::Challenge(_) => {
                    challenges += 1;
                    Input::Reply
                }
                Output::Accept(identity) => break Ok(identity.user().to_owned()),
                Output::Reject(why) => break Err(why.code()),
            };
        };
        Came {
            verdict,
            asked,
            challenges,
        }
    }
}

/// What comes of a JWT of `claims`.
fn login(policy: &Policy<'_>, claims: &Value, user: Option<&str>, found: FoundAccount<'_>) -> Came {
    let issuer = Issuer::new();
    let token = issuer.sign("HS256", claims);
    let login = Login {
        providers: &[Provider::new(policy)],
        keys: &BACKENDS[0].prepare_all(&[issuer.jwk("HS256")]),
        answers: &[],
        found,
        is_asked: true,
    };
    login.run(&token, user)
}

/// What an account was looked for by, once.
#[track_caller]
fn asked(policy: &Policy<'_>, more: &Value) -> Asked {
    let came = login(policy, &claims(more), None, FoundAccount::Known(ACCOUNT));
    let [asked] = &came.asked[..] else {
        panic!("asked once: {came:?}");
    };
    asked.clone()
}

#[test]
fn an_account_is_looked_for_by_the_subject_at_its_provider() {
    let expected = Asked {
        provider: 0,
        subject: Some("s-1".to_owned()),
        name: ALICE.to_owned(),
        address: None,
    };
    assert_eq!(asked(&policy(), &json!({})), expected);
    let longest = "x".repeat(255);
    for (subject, known) in [
        ("\u{e9}", Some("\u{e9}")),
        (&longest, Some(&*longest)),
        // No provider may give one so long, and none has to be found by it.
        (&*"x".repeat(256), None),
        ("", None),
    ] {
        let asked = asked(&policy(), &json!({"sub": subject}));
        assert_eq!(asked.subject.as_deref(), known, "{subject}");
    }
}

#[test]
fn an_address_counts_if_its_provider_has_verified_it_and_may_speak_for_it() {
    let mut ours = policy();
    ours.domains = &["Example.com"];
    ours.username_claims = &["preferred_username"];
    let mut tenants = ours;
    let tenant = [Tenant {
        id: "t",
        domains: &[],
    }];
    tenants.tenants = &tenant;
    tenants.issuer = Some("https://login.example/{tenantid}");
    let theirs = json!({"iss": "https://login.example/t", "tid": "t"});
    for (policy, email, verified, counts) in [
        (&policy(), ALICE, json!(true), true),
        (&policy(), ALICE, json!("true"), true),
        (&ours, ALICE, json!(true), true),
        (&ours, "alice@example.org", json!(true), false),
        (&ours, "alice", json!(true), false),
        (&ours, ALICE, json!(null), false),
        (&ours, ALICE, json!(false), false),
        (&ours, ALICE, json!(1), false),
        (&tenants, ALICE, json!(true), false),
    ] {
        let mut more = json!({"email": email, "email_verified": verified});
        more["preferred_username"] = json!(ALICE);
        if !policy.tenants.is_empty() {
            more["iss"] = theirs["iss"].clone();
            more["tid"] = theirs["tid"].clone();
        }
        let asked = asked(policy, &more);
        let expected = Some(email).filter(|_| counts);
        assert_eq!(asked.address.as_deref(), expected, "{email} {verified}");
    }
}

#[test]
fn a_bad_token_asks_for_no_account() {
    for (more, code) in [
        (json!({"exp": NOW - 61}), "expired"),
        (json!({"aud": "other"}), "wrong_audience"),
        (json!({"email": "a b"}), "unusable_user_name"),
    ] {
        let came = login(
            &policy(),
            &claims(&more),
            None,
            FoundAccount::Known(ACCOUNT),
        );
        assert_eq!((came.verdict, came.asked), (Err(code), vec![]));
    }
}

#[test]
fn what_is_known_of_the_account_decides() {
    let disabled = Account {
        is_active: false,
        ..ACCOUNT
    };
    let without = Account {
        mailbox: None,
        ..ACCOUNT
    };
    for (found, verdict, challenges) in [
        (FoundAccount::Known(ACCOUNT), Ok(MAILBOX), 0),
        (FoundAccount::Known(disabled), Err("account_disabled"), 1),
        (FoundAccount::Known(without), Err("no_mailbox"), 1),
        (FoundAccount::Unknown, Err("unknown_account"), 1),
        (FoundAccount::Stranger, Ok(ALICE), 0),
        (FoundAccount::AddressTaken, Err("address_taken"), 1),
        // A client can do nothing about it, and need not fetch another token.
        (FoundAccount::Unavailable, Err("accounts_unavailable"), 0),
    ] {
        for user in [None, Some(ALICE)] {
            let came = login(&policy(), &claims(&json!({})), user, found);
            assert_eq!(came.verdict, verdict.map(str::to_owned), "{found:?}");
            assert_eq!(came.challenges, challenges, "{found:?}");
        }
    }
}

#[test]
fn a_client_may_claim_the_token_s_name_the_mailbox_or_another_address_of_the_account() {
    let mailbox_only = Account {
        aliases_log_in: false,
        ..ACCOUNT
    };
    for (claimed, with_aliases, without) in [
        (ALICE, Ok(MAILBOX), Ok(MAILBOX)),
        (MAILBOX, Ok(MAILBOX), Ok(MAILBOX)),
        ("A.Smith@Example.COM", Ok(MAILBOX), Ok(MAILBOX)),
        ("a.jones@example.com", Ok(MAILBOX), Err("account_renamed")),
        ("Sales@example.com", Ok(MAILBOX), Err("account_renamed")),
        ("bob@example.com", Err("wrong_user"), Err("wrong_user")),
        ("a.smith", Err("wrong_user"), Err("wrong_user")),
        ("", Err("malformed_response"), Err("malformed_response")),
    ] {
        for (account, expected) in [(ACCOUNT, with_aliases), (mailbox_only, without)] {
            let found = FoundAccount::Known(account);
            let came = login(&policy(), &claims(&json!({})), Some(claimed), found);
            assert_eq!(came.verdict, expected.map(str::to_owned), "{claimed}");
        }
    }
    // Who has no account is called what the token says, and nothing else.
    let came = login(
        &policy(),
        &claims(&json!({})),
        Some(MAILBOX),
        FoundAccount::Stranger,
    );
    assert_eq!(came.verdict, Err("wrong_user"));
}

#[test]
fn a_delegate_needs_an_account_and_opens_what_the_policy_says() {
    let table = [Delegate {
        user: ALICE,
        may_act_as: &["info@example.com"],
    }];
    let mut policy = policy();
    policy.domains = &["example.com"];
    policy.delegates = &table;
    let claims = claims(&json!({}));
    let found = FoundAccount::Known(ACCOUNT);
    let came = login(&policy, &claims, Some("info@example.com"), found);
    assert_eq!(came.verdict, Ok("info@example.com".to_owned()));
    assert_eq!(came.asked[0].name, ALICE);
    let none = FoundAccount::Unknown;
    let came = login(&policy, &claims, Some("info@example.com"), none);
    assert_eq!(came.verdict, Err("unknown_account"));
}

/// Both endpoints are asked about an opaque token.
fn asked_twice() -> Endpoints<'static> {
    Endpoints {
        tokeninfo: Some("https://id.example.com/tokeninfo"),
        introspection: Some("https://id.example.com/introspect"),
        mode: Mode::Post,
        force_introspection: true,
        about: Some(About::OpaqueTokens),
        grant: None,
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

/// Two answers about one token may tell two things of its user: neither finds an account then.
#[test]
fn answers_that_contradict_each_other_find_no_account() {
    let mut policy = policy();
    policy.unverified_email = true;
    policy.account_claim = "oid";
    let providers = [Provider {
        policy: &policy,
        endpoints: Some(asked_twice()),
    }];
    let answer = |more: &Value| {
        let mut answer = json!({
            "active": true, "iss": ISSUER, "sub": "s-1", "aud": "mail", "email": ALICE, "email_verified": true,
            "oid": "o-1",
        });
        for (name, value) in more.as_object().expect("an object") {
            answer[name] = value.clone();
        }
        answer
    };
    let (same, none) = (answer(&json!({})), json!(null));
    let other = answer(&json!({"oid": "o-2"}));
    let silent = answer(&json!({"oid": none, "email_verified": none}));
    let unverified = answer(&json!({"email_verified": "false"}));
    for (answers, subject, address) in [
        ([&same, &same], Some("o-1"), Some(ALICE)),
        ([&same, &silent], Some("o-1"), Some(ALICE)),
        ([&silent, &same], Some("o-1"), Some(ALICE)),
        ([&same, &other], None, Some(ALICE)),
        ([&same, &unverified], Some("o-1"), None),
        ([&unverified, &same], Some("o-1"), None),
    ] {
        let login = Login {
            providers: &providers,
            keys: &[],
            answers: &answers.map(Clone::clone),
            found: FoundAccount::Known(ACCOUNT),
            is_asked: true,
        };
        let came = login.run("opaque", Some(ALICE));
        let asked = &came.asked[0];
        assert_eq!(asked.subject.as_deref(), subject, "{answers:?}");
        assert_eq!(asked.address.as_deref(), address, "{answers:?}");
    }
}

#[test]
fn an_answer_tells_what_an_account_is_found_by_as_claims_do() {
    let policy = policy();
    let providers = [Provider {
        policy: &policy,
        endpoints: Some(asked_twice()),
    }];
    let whole = json!({
        "active": true, "iss": ISSUER, "sub": "s-1", "aud": "mail", "email": ALICE, "email_verified": true,
    });
    let bare = json!({"active": true, "iss": ISSUER, "aud": "mail", "email": ALICE});
    for (answers, subject, address) in [
        ([whole.clone(), bare.clone()], Some("s-1"), Some(ALICE)),
        ([bare.clone(), whole], Some("s-1"), Some(ALICE)),
        ([bare.clone(), bare], None, None),
    ] {
        for (user, verdict) in [
            (ALICE, Ok(MAILBOX)),
            (MAILBOX, Ok(MAILBOX)),
            ("bob@example.com", Err("wrong_user")),
        ] {
            let login = Login {
                providers: &providers,
                keys: &[],
                answers: &answers,
                found: FoundAccount::Known(ACCOUNT),
                is_asked: true,
            };
            let came = login.run("opaque", Some(user));
            assert_eq!(came.verdict, verdict.map(str::to_owned), "{user}");
            let asked = &came.asked[0];
            assert_eq!(asked.subject.as_deref(), subject);
            assert_eq!(asked.address.as_deref(), address);
        }
    }
}

#[test]
fn nobody_is_asked_for_an_account_unless_accounts_are_kept() {
    let policy = policy();
    let issuer = Issuer::new();
    let token = issuer.sign("HS256", &claims(&json!({})));
    let login = Login {
        providers: &[Provider::new(&policy)],
        keys: &BACKENDS[0].prepare_all(&[issuer.jwk("HS256")]),
        answers: &[],
        found: FoundAccount::Unknown,
        is_asked: false,
    };
    let came = login.run(&token, Some(ALICE));
    assert_eq!((came.verdict, came.asked), (Ok(ALICE.to_owned()), vec![]));
    assert_eq!(login.run(&token, Some(MAILBOX)).verdict, Err("wrong_user"));
}

#[test]
fn an_account_that_was_not_asked_for_fails_the_login() {
    let policy = policy();
    let providers = [Provider::new(&policy)];
    let message = oauthbearer("x.y.z");
    let rules = LoginSettings::new(&providers);
    let exchange = Exchange::new(rules, Mechanism::OAuthBearer, &message);
    let mut exchange = exchange.with_accounts(true);
    let now = UnixTime::from_seconds(NOW);
    let found = Input::Account(FoundAccount::Known(ACCOUNT));
    let output = exchange.step(now, found);
    assert!(matches!(output, Output::Reject(why) if why.code() == "internal_error"));
}
