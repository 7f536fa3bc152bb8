//! Handshakes that succeed.

use gatepost_embassy_tls::{Error, MAX_INTERMEDIATES, MIN_WRITE, Trust};
use sha2::{Digest as _, Sha256};

use crate::chain::{self, Chain, MakeKey, Signer, ca, root, self_signed, server, server_for};
use crate::client::{Client, NOW, anchor, echo};
use crate::server::Server;

#[track_caller]
fn check_chain(make_key: MakeKey) {
    let chain = Chain::new(make_key);
    let server = Server::new(chain.list(), chain.server.key());
    let answer = Client::new(Trust::Anchors(&[anchor(&chain.root)]))
        .run(server, async |connection| echo(connection, b"hello").await);
    assert_eq!(answer, Ok(Ok(b"hello".to_vec())));
}

#[test]
fn chains_of_p256() {
    check_chain(chain::p256);
}

#[test]
fn chains_of_p384() {
    check_chain(chain::p384);
}

#[test]
fn chains_of_ed25519() {
    check_chain(chain::ed25519);
}

#[test]
fn chains_of_rsa_2048() {
    check_chain(chain::rsa2048);
}

#[test]
fn a_root_of_rsa_4096_above_keys_of_other_types() {
    let root = root(chain::rsa4096());
    let intermediate = root.issue(ca("intermediate"), chain::p384());
    let server = intermediate.issue(server(), chain::p256());
    let list = vec![server.certificate.clone(), intermediate.certificate.clone()];
    let client =
        Client::new(Trust::Anchors(&[anchor(&root)])).shake_hands(Server::new(list, server.key()));
    assert_eq!(client, Ok(()));
}

#[test]
fn servers_of_rsa_3072_and_4096() {
    let root = root(chain::p256());
    for make_key in [chain::rsa3072, chain::rsa4096] {
        let server = root.issue(server(), make_key());
        let transport = Server::new(vec![server.certificate.clone()], server.key());
        let outcome = Client::new(Trust::Anchors(&[anchor(&root)])).shake_hands(transport);
        assert_eq!(outcome, Ok(()));
    }
}

#[test]
fn a_name_may_end_in_a_dot() {
    let chain = Chain::new(chain::p256);
    let anchors = [anchor(&chain.root)];
    let client = Client {
        name: "login.example.net.",
        ..Client::new(Trust::Anchors(&anchors))
    };
    let transport = Server::new(chain.list(), chain.server.key());
    assert_eq!(client.shake_hands(transport), Ok(()));
}

#[test]
fn an_ip_address_is_a_name() {
    let root = root(chain::p256());
    let server = root.issue(server_for("192.0.2.7"), chain::p256());
    let anchors = [anchor(&root)];
    let client = Client {
        name: "192.0.2.7",
        ..Client::new(Trust::Anchors(&anchors))
    };
    let transport = Server::new(vec![server.certificate.clone()], server.key());
    assert_eq!(client.shake_hands(transport), Ok(()));
}

#[test]
fn the_longest_name_fits_the_shortest_buffer() {
    let name = [63, 63, 63, 61].map(|length| "a".repeat(length)).join(".");
    assert_eq!(name.len(), 253);
    let root = root(chain::p256());
    let mut params = server_for(&name);
    params.distinguished_name = rcgen::DistinguishedName::new();
    let server = root.issue(params, chain::p256());
    let anchors = [anchor(&root)];
    let client = Client {
        name: &name,
        write_len: MIN_WRITE,
        ..Client::new(Trust::Anchors(&anchors))
    };
    let transport = Server::new(vec![server.certificate.clone()], server.key());
    assert_eq!(client.shake_hands(transport), Ok(()));
}

#[test]
fn messages_longer_than_the_buffers_arrive_whole() {
    let chain = Chain::new(chain::p256);
    let server = Server::new(chain.list(), chain.server.key());
    let message: Vec<u8> = (0..100_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let answer = Client::new(Trust::Anchors(&[anchor(&chain.root)]))
        .run(server, async |connection| echo(connection, &message).await);
    assert_eq!(answer, Ok(Ok(message)));
}

#[test]
fn bytes_may_come_one_by_one() {
    let chain = Chain::new(chain::p256);
    let mut server = Server::new(chain.list(), chain.server.key());
    server.piece = 1;
    let answer = Client::new(Trust::Anchors(&[anchor(&chain.root)]))
        .run(server, async |connection| echo(connection, b"hello").await);
    assert_eq!(answer, Ok(Ok(b"hello".to_vec())));
}

#[test]
fn a_pinned_key_needs_neither_chain_nor_name_nor_clock() {
    let pinned = self_signed(server_for("other.example"), chain::p256());
    assert_eq!(shake_hands_with_pin(&pinned, None), Ok(()));
    assert_eq!(shake_hands_with_pin(&pinned, Some(NOW)), Ok(()));
}

#[test]
fn a_pinned_key_may_be_in_a_ca_s_certificate() {
    let pinned = self_signed(ca("itself"), chain::ed25519());
    assert_eq!(shake_hands_with_pin(&pinned, Some(NOW)), Ok(()));
}

fn shake_hands_with_pin(
    pinned: &Signer,
    now: Option<gatepost_core::UnixTime>,
) -> Result<(), Error> {
    let pins = [[0; 32], pin(pinned)];
    let client = Client {
        now,
        ..Client::new(Trust::PinnedKeys(&pins))
    };
    client.shake_hands(Server::new(vec![pinned.certificate.clone()], pinned.key()))
}

pub(crate) fn pin(pinned: &Signer) -> [u8; 32] {
    use rcgen::PublicKeyData as _;
    Sha256::digest(pinned.key().subject_public_key_info()).into()
}

#[test]
fn the_longest_chain() {
    let root = root(chain::p256());
    let mut issuers = vec![root.issue(ca("intermediate 0"), chain::p256())];
    for number in 1..MAX_INTERMEDIATES {
        let above = issuers.last().unwrap();
        let next = above.issue(ca(&format!("intermediate {number}")), chain::p256());
        issuers.push(next);
    }
    let server = issuers.last().unwrap().issue(server(), chain::p256());
    let list = [&server]
        .into_iter()
        .chain(issuers.iter().rev())
        .map(|one| one.certificate.clone())
        .collect();
    let transport = Server::new(list, server.key());
    let trust = [anchor(&root)];
    assert_eq!(
        Client::new(Trust::Anchors(&trust)).shake_hands(transport),
        Ok(())
    );
}
