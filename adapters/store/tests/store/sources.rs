//! Sources and their secrets.

use std::fs;

use gatepost_accounts::model::SourceId;
use gatepost_accounts::name::NameError;
use gatepost_accounts::scim::Effect;
use gatepost_accounts::time::Timestamp;
use gatepost_store::{
    BearerSecret, MAX_LABEL, MAX_SECRETS, NewSecret, SecretHash, SecretId, Session, Settings,
    SourceError, run,
};

use crate::both::{Kept, SOURCES, now, user};

fn in_session<V: Send + 'static>(
    kept: &Kept,
    work: impl FnOnce(&mut dyn Session) -> V + Send + 'static,
) -> V {
    run(kept.store(), |session| (Effect::Commit, work(session))).unwrap()
}

fn secret(number: u8) -> BearerSecret {
    BearerSecret::from_random([number; 32])
}

fn new(number: u8, label: &str) -> NewSecret<'_> {
    NewSecret {
        hash: secret(number).hash(),
        label,
        now: now(),
        expires: None,
    }
}

#[test]
fn a_source_is_added_found_and_renamed() {
    let mut kept = Kept::with(Settings::default());
    let added = in_session(&kept, |session| session.add_source("Authentik", now()));
    assert_eq!(added, Ok(SourceId(1)));
    in_session(&kept, |session| {
        assert_eq!(
            session.add_source("authentik", now()),
            Err(SourceError::NameTaken)
        );
        assert_eq!(
            session.add_source("a/b", now()),
            Err(NameError::Path.into())
        );
        assert_eq!(
            session.add_source("a b", now()),
            Err(NameError::Blank.into())
        );
        assert_eq!(session.add_source("", now()), Err(NameError::Empty.into()));
        assert_eq!(session.add_source("okta", now()), Ok(SourceId(2)));
        assert_eq!(
            session.rename_source(SourceId(2), "AUTHENTIK"),
            Err(SourceError::NameTaken)
        );
        assert_eq!(
            session.rename_source(SourceId(3), "entra"),
            Err(SourceError::Unknown)
        );
        assert_eq!(
            session.rename_source(SourceId(1), "AUTHENTIK"),
            Ok(()),
            "its own name in another case"
        );
        assert_eq!(session.rename_source(SourceId(2), "entra"), Ok(()));
        assert_eq!(session.set_derived(SourceId(2), Some("1 a.test")), Ok(()));
        assert_eq!(session.set_read(SourceId(2)), Ok(()));
    });
    kept.reopen();
    in_session(&kept, |session| {
        let sources = session.sources().unwrap();
        let names: Vec<_> = sources
            .iter()
            .map(|source| (source.id.0, &*source.name))
            .collect();
        assert_eq!(names, [(1, "AUTHENTIK"), (2, "entra")]);
        assert_eq!(sources[0].created, now());
        assert_eq!(session.source("Entra").unwrap().unwrap(), sources[1]);
        assert_eq!(session.source("okta"), Ok(None));
        let derived = |source: &gatepost_store::KnownSource| source.derived.clone();
        assert_eq!((sources[0].is_read, sources[1].is_read), (false, true));
        assert_eq!(derived(&sources[0]), None);
        assert_eq!(derived(&sources[1]).as_deref(), Some("1 a.test"));
        assert_eq!(session.set_derived(SourceId(2), None), Ok(()));
        assert_eq!(session.source("entra").unwrap().unwrap().derived, None);
    });
}

#[test]
fn a_secret_opens_its_source_until_it_is_revoked() {
    let mut kept = Kept::new();
    let added = in_session(&kept, |session| {
        let mut second = new(2, "next");
        second.expires = Some(Timestamp::from_millis(now().millis() + 1));
        [
            session.add_secret(SOURCES[0], &new(1, "first")),
            session.add_secret(SOURCES[0], &second),
        ]
    });
    assert_eq!(added, [Ok(SecretId(1)), Ok(SecretId(2))]);
    kept.reopen();
    in_session(&kept, |session| {
        let found = session
            .secret(&SecretHash::of(secret(2).reveal()))
            .unwrap()
            .unwrap();
        assert_eq!(
            (found.id, found.source, &*found.label),
            (SecretId(2), SOURCES[0], "next")
        );
        assert!(!found.is_expired(now()));
        assert!(found.is_expired(found.expires.unwrap()));
        assert_eq!(session.secret(&secret(3).hash()), Ok(None));
        let listed = session.secrets(SOURCES[0]).unwrap();
        assert_eq!(
            listed.iter().map(|one| one.id.0).collect::<Vec<_>>(),
            [1, 2]
        );
        assert_eq!(session.secrets(SOURCES[1]), Ok(vec![]));

        assert_eq!(
            session.revoke_secret(SOURCES[1], SecretId(2)),
            Ok(false),
            "it is another's"
        );
        assert_eq!(session.revoke_secret(SOURCES[0], SecretId(2)), Ok(true));
        assert_eq!(session.revoke_secret(SOURCES[0], SecretId(2)), Ok(false));
        assert_eq!(session.secret(&secret(2).hash()), Ok(None));
        assert_eq!(
            session.add_secret(SOURCES[1], &new(2, "")),
            Ok(SecretId(3)),
            "a number is never another's"
        );
    });
}

#[test]
fn secrets_and_labels_are_bounded() {
    let kept = Kept::new();
    in_session(&kept, |session| {
        let source = SOURCES[0];
        let long = "x".repeat(MAX_LABEL);
        assert_eq!(
            session.add_secret(SourceId(9), &new(0, "x")),
            Err(SourceError::Unknown)
        );
        assert_eq!(
            session.add_secret(source, &new(0, &format!("{long}x"))),
            Err(SourceError::Label)
        );
        assert_eq!(
            session.add_secret(source, &new(0, "a\nb")),
            Err(SourceError::Label)
        );
        for number in 0..MAX_SECRETS {
            let number = u8::try_from(number).unwrap();
            assert!(session.add_secret(source, &new(number, &long)).is_ok());
        }
        assert_eq!(
            session.add_secret(source, &new(200, "x")),
            Err(SourceError::TooManySecrets)
        );
        assert!(session.add_secret(SOURCES[1], &new(200, "x")).is_ok());
    });
}

#[test]
fn invariant_5_no_secret_is_in_the_database_or_what_is_printed() {
    let kept = Kept::new();
    let printed = in_session(&kept, |session| {
        session.add_secret(SOURCES[0], &new(7, "label")).unwrap();
        session.insert(&user(1, SOURCES[0])).unwrap();
        let again = session.add_secret(SOURCES[0], &new(8, "a\0"));
        format!(
            "{:?} {:?} {again:?} {:?}",
            session.secrets(SOURCES[0]),
            new(7, "label"),
            secret(7)
        )
    });
    let secret = secret(7);
    let random = secret.reveal().strip_prefix("gatepost_scim_").unwrap();
    assert!(!printed.contains(random));
    for file in ["accounts.db", "accounts.db-wal"] {
        let bytes = fs::read(kept.directory.path().join(file)).unwrap();
        for clear in [random.as_bytes(), &[7; 32]] {
            let is_there = bytes.windows(clear.len()).any(|window| window == clear);
            assert!(!is_there, "{file}");
        }
    }
}
