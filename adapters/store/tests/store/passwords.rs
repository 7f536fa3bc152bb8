//! Application passwords: kept, told to an index, revoked with their account.

use std::net::IpAddr;

use gatepost_accounts::app_password::{
    KeptPassword, KeyId, MAX_PASSWORDS, PasswordId, Place, Service, Services, Use, Verifier,
};
use gatepost_accounts::index::Index;
use gatepost_accounts::scim::Effect;
use gatepost_accounts::time::Timestamp;
use gatepost_core::app_password::Unfit;
use gatepost_store::{NewPassword, PasswordError, Session, run};

use crate::both::{Keeps, Kept, SOURCES, deleted, id, now, user};

fn in_session<V: Send + 'static>(
    store: &gatepost_store::Sqlite,
    work: impl FnOnce(&mut dyn Session) -> V + Send + 'static,
) -> V {
    run(store, |session| (Effect::Commit, work(session))).unwrap()
}

fn new(verifier: u8) -> NewPassword<'static> {
    NewPassword {
        account: id(1),
        key: KeyId(u32::MAX),
        verifier: Verifier([verifier; 32]),
        label: "Phone",
        services: Services::default(),
        networks: &[],
        now: now(),
        expires: None,
    }
}

/// A store with one account.
fn with_account() -> Kept {
    let mut kept = Kept::new();
    let inserted = kept.work(|store| (Effect::Commit, store.insert(&user(1, SOURCES[0]))));
    inserted.unwrap().unwrap();
    kept
}

fn judged(index: &Index, verifier: u8) -> Option<Result<(), Unfit>> {
    let place = Place {
        service: "imap",
        address: None,
        now: now(),
    };
    let found = index.password(&Verifier([verifier; 32]))?;
    Some(found.judge(place))
}

fn listed(kept: &Kept) -> Vec<KeptPassword> {
    in_session(kept.store(), |session| session.passwords(id(1)).unwrap())
}

#[test]
fn everything_that_is_known_of_a_password_is_kept() {
    let mut kept = with_account();
    let networks = ["10.0.0.0/8", "2001:db8::/32"].map(|text| text.parse().unwrap());
    let used = Use {
        at: Timestamp::from_millis(77_000),
        from: Some(IpAddr::from([192, 0, 2, 1])),
    };
    let added = in_session(kept.store(), move |session| {
        let new = NewPassword {
            services: [Service::Imap, Service::Sieve].into_iter().collect(),
            networks: &networks,
            expires: Some(Timestamp::from_millis(99_000)),
            ..new(7)
        };
        let added = session.add_password(&new).unwrap();
        session.note_uses(&[(added, used)]).unwrap();
        let earlier = Use {
            at: Timestamp::from_millis(76_000),
            from: None,
        };
        session.note_uses(&[(added, earlier)]).unwrap();
        added
    });
    kept.reopen();
    let expected = KeptPassword {
        id: added,
        account: id(1),
        version: 2,
        key: KeyId(u32::MAX),
        verifier: Verifier([7; 32]),
        label: "Phone".to_owned(),
        services: [Service::Imap, Service::Sieve].into_iter().collect(),
        networks: networks.to_vec(),
        created: now(),
        expires: Some(Timestamp::from_millis(99_000)),
        used: Some(used),
        revoked: None,
        replaces: None,
    };
    assert_eq!(listed(&kept), [expected]);
}

#[test]
fn an_index_knows_of_each_whoever_has_added_or_revoked_it() {
    let mut kept = with_account();
    let command = kept.command();
    let first = in_session(kept.store(), |session| session.add_password(&new(1))).unwrap();
    in_session(&command, |session| session.add_password(&new(2))).unwrap();
    in_session(&command, move |session| {
        session.revoke_password(id(1), first, now())
    })
    .unwrap();
    // What another process did is heard before what comes next.
    let mut next = |number| {
        let inserted = kept.work(move |store| {
            let inserted = store.insert(&user(number, SOURCES[0]));
            (Effect::Commit, inserted)
        });
        inserted.unwrap().unwrap();
        kept.heard.index()
    };
    let index = next(2);
    assert_eq!(judged(&index, 1), Some(Err(Unfit::Revoked)));
    assert_eq!(judged(&index, 2), Some(Ok(())));
    assert_eq!(judged(&index, 3), None);
    let mut late = Index::default();
    let told = gatepost_store::Store::after(kept.store(), 1, &mut |change| late.apply(&change));
    assert_eq!(told, Ok(5));
    kept.reopen();
    for index in [late, kept.heard.index()] {
        assert_eq!(judged(&index, 1), Some(Err(Unfit::Revoked)));
        assert_eq!(judged(&index, 2), Some(Ok(())));
    }
}

#[test]
fn a_password_is_revoked_once_and_by_its_own_account() {
    let kept = with_account();
    let revoked = in_session(kept.store(), |session| {
        let added = session.add_password(&new(1)).unwrap();
        [(2, added), (1, PasswordId(99)), (1, added), (1, added)]
            .map(|(account, password)| session.revoke_password(id(account), password, now()))
    });
    assert_eq!(revoked, [Ok(false), Ok(false), Ok(true), Ok(false)]);
}

#[test]
fn whose_account_is_deleted_has_no_password_even_when_it_is_back() {
    let mut kept = with_account();
    in_session(kept.store(), |session| session.add_password(&new(1))).unwrap();
    let back = kept.work(|store| {
        store.update(&deleted(user(1, SOURCES[0]))).unwrap();
        store.insert(&user(1, SOURCES[0])).unwrap();
        (Effect::Commit, ())
    });
    back.unwrap();
    assert_eq!(judged(&kept.heard.index(), 1), Some(Err(Unfit::Revoked)));
    assert!(listed(&kept).iter().all(|one| one.revoked.is_some()));
}

#[test]
fn an_account_has_so_many_and_forgets_those_that_are_good_no_more() {
    let mut kept = with_account();
    in_session(kept.store(), |session| {
        for number in 0..MAX_PASSWORDS {
            let number = u8::try_from(number).unwrap();
            session.add_password(&new(number)).unwrap();
        }
        let added = session.add_password(&new(99));
        assert_eq!(added, Err(PasswordError::TooMany));
        let revoked = session.revoke_password(id(1), PasswordId(5), now());
        assert_eq!(revoked, Ok(true));
        let added = session.add_password(&new(99));
        assert_eq!(added, Ok(PasswordId(51)), "a number is never another's");
        assert_eq!(session.passwords(id(1)).unwrap().len(), MAX_PASSWORDS);
    });
    for _ in 0..2 {
        let index = kept.heard.index();
        assert_eq!(judged(&index, 4), None);
        assert_eq!(judged(&index, 99), Some(Ok(())));
        kept.reopen();
    }
}

#[test]
fn what_cannot_be_kept_is_refused() {
    let kept = with_account();
    let networks: Vec<ipnet::IpNet> = vec!["10.0.0.0/8".parse().unwrap(); 17];
    let refused = in_session(kept.store(), move |session| {
        let long = "x".repeat(257);
        [
            NewPassword {
                account: id(9),
                ..new(1)
            },
            NewPassword {
                label: "a\nb",
                ..new(1)
            },
            NewPassword {
                label: &long,
                ..new(1)
            },
            NewPassword {
                networks: &networks,
                ..new(1)
            },
        ]
        .map(|new| session.add_password(&new))
    });
    assert_eq!(
        refused,
        [
            Err(PasswordError::NoAccount),
            Err(PasswordError::Label),
            Err(PasswordError::Label),
            Err(PasswordError::Networks),
        ]
    );
}
