use super::*;
use crate::model::{Account, Change, Event, Life, Resource, SourceId};
use crate::name::Address;

const PASSWORD: [u8; 14] = *b"fourteen bytes";
const NOW: i64 = 1_795_312_000_000;

fn keys() -> [VerifierKey; 2] {
    [[1; 32], [2; 32]].map(|key| VerifierKey::new(&key))
}

fn account(number: u8, address: &str) -> Account {
    let now = Timestamp::from_millis(NOW);
    Account {
        id: Id::from_bytes([number; 16]),
        source: SourceId(1),
        external_id: None,
        subject: None,
        user_name: address.to_owned(),
        display_name: None,
        mailbox: Some(Address::parse(address).unwrap()),
        aliases: vec![Address::parse(&format!("alias-{address}")).unwrap()],
        active: true,
        quota: None,
        forwarding: Vec::new(),
        life: Life {
            created: now,
            modified: now,
            version: 1,
            position: 1,
            deleted: None,
        },
    }
}

/// A password of the first account, kept by the key at a place.
fn kept(key: usize) -> KeptPassword {
    let password = AppPassword::from_random(PASSWORD);
    let verifier = keys()[key].verifier(&[1; 16], &password);
    KeptPassword {
        id: PasswordId(7),
        account: Id::from_bytes([1; 16]),
        version: 3,
        key: KeyId(0),
        verifier: Verifier(verifier),
        label: String::new(),
        services: Services::default(),
        networks: Vec::new(),
        created: Timestamp::from_millis(NOW),
        expires: None,
        used: None,
        revoked: None,
        replaces: None,
    }
}

fn index(password: KeptPassword) -> Index {
    let mut index = Index::default();
    let accounts = [account(1, "a@x.example"), account(2, "b@x.example")];
    let accounts = accounts.map(|one| Event::Put(Resource::Account(one)));
    for event in accounts.into_iter().chain([Event::Password(password)]) {
        let sequence = 1;
        index.apply(&Change { sequence, event });
    }
    index
}

#[track_caller]
fn check(
    index: &Index,
    user: &str,
    (service, address): (&str, Option<&str>),
    expected: Result<u32, Unfit>,
) {
    let place = Place {
        service,
        address: address.map(|address| address.parse().unwrap()),
        now: Timestamp::from_millis(NOW),
    };
    let password = AppPassword::from_random(PASSWORD);
    let found = find(index, &keys(), (user, &password), place);
    assert_eq!(found.map(|(_, password)| password.0), expected);
}

#[test]
fn a_password_is_its_account_s_alone_whichever_key_it_was_made_with() {
    for key in 0..2 {
        let index = index(kept(key));
        let anywhere = ("imap", None);
        check(&index, "A@x.example", anywhere, Ok(7));
        check(&index, "alias-a@x.example", anywhere, Ok(7));
        check(&index, "b@x.example", anywhere, Err(Unfit::Unknown));
        check(&index, "nobody@x.example", anywhere, Err(Unfit::Unknown));
        check(&index, "", anywhere, Err(Unfit::Unknown));
    }
}

#[test]
fn a_password_is_good_for_its_services_by_whatever_name() {
    let mut smtp = kept(0);
    smtp.services = [Service::Smtp].into_iter().collect();
    let smtp = index(smtp);
    for service in ["smtp", "submission", "submissions"] {
        check(&smtp, "a@x.example", (service, None), Ok(7));
    }
    for service in ["imap", "pop3", "sieve", "managesieve", "http", ""] {
        let expected = Err(Unfit::WrongService);
        check(&smtp, "a@x.example", (service, None), expected);
        check(&index(kept(0)), "a@x.example", (service, None), Ok(7));
    }
}

#[test]
fn a_password_is_good_from_its_networks_and_not_from_nowhere() {
    let mut office = kept(0);
    let networks = ["192.0.2.0/24", "2001:db8::/32"];
    office.networks = networks.map(|text| text.parse().unwrap()).to_vec();
    let office = index(office);
    for address in ["192.0.2.9", "::ffff:192.0.2.9", "2001:db8::9"] {
        check(&office, "a@x.example", ("imap", Some(address)), Ok(7));
    }
    for address in [Some("192.0.3.9"), Some("2001:db9::9"), None] {
        let expected = Err(Unfit::WrongNetwork);
        check(&office, "a@x.example", ("imap", address), expected);
    }
}

#[test]
fn a_password_ends_when_it_expires_or_is_revoked() {
    for (expires, revoked, expected) in [
        (Some(NOW + 1_000), None, Ok(7)),
        (Some(NOW), None, Err(Unfit::Expired)),
        (None, Some(NOW), Err(Unfit::Revoked)),
        (Some(NOW), Some(NOW), Err(Unfit::Revoked)),
    ] {
        let mut password = kept(1);
        password.expires = expires.map(Timestamp::from_millis);
        password.revoked = revoked.map(Timestamp::from_millis);
        check(&index(password), "a@x.example", ("imap", None), expected);
    }
}

#[test]
fn whoever_may_not_log_in_does_not_do_so_by_a_password() {
    let mut index = index(kept(0));
    let mut disabled = account(1, "a@x.example");
    disabled.active = false;
    let event = Event::Put(Resource::Account(disabled));
    index.apply(&Change { sequence: 2, event });
    check(&index, "a@x.example", ("imap", None), Err(Unfit::Disabled));
}

#[test]
fn a_verifier_is_not_printed() {
    assert!(format!("{:?}", kept(0)).contains("Verifier(..)"));
}
