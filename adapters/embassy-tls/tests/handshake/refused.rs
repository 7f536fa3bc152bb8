//! Handshakes that fail, each with its reason.

use std::sync::Arc;

use gatepost_core::UnixTime;
use gatepost_core::crypto::KeyType;
use gatepost_embassy_tls::{CertificateDer, Error, MAX_INTERMEDIATES, MIN_WRITE, Refusal, Trust};
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa,
    NameConstraints,
};
use rustls::sign::SigningKey;
use rustls::{SignatureAlgorithm, SignatureScheme};

use crate::accepted::pin;
use crate::chain::{self, Chain, Signer, ca, root, self_signed, server, server_for};
use crate::client::{Client, NOW, anchor};
use crate::server::{Server, signing_key};

/// What comes of a server that presents `list` and has the key of `server`.
fn outcome(root: &Signer, server: &Signer, list: &[&Signer]) -> Result<(), Error> {
    let list = list.iter().map(|one| one.certificate.clone()).collect();
    let transport = Server::new(list, server.key());
    Client::new(Trust::Anchors(&[anchor(root)])).shake_hands(transport)
}

/// What comes of a server's certificate of `params` below a root.
fn outcome_of(params: CertificateParams) -> Result<(), Error> {
    let root = root(chain::p256());
    let server = root.issue(params, chain::p256());
    outcome(&root, &server, &[&server])
}

fn refused(refusal: Refusal) -> Result<(), Error> {
    Err(Error::Refused(refusal))
}

#[test]
fn an_expired_server() {
    let mut params = server();
    params.not_after = rcgen::date_time_ymd(2026, 5, 31);
    assert_eq!(outcome_of(params), refused(Refusal::Expired));
}

#[test]
fn a_server_whose_time_has_not_come() {
    let mut params = server();
    params.not_before = rcgen::date_time_ymd(2026, 6, 2);
    assert_eq!(outcome_of(params), refused(Refusal::NotYetValid));
}

#[test]
fn an_expired_intermediate() {
    let root = root(chain::p256());
    let mut params = ca("intermediate");
    params.not_after = rcgen::date_time_ymd(2026, 5, 31);
    let intermediate = root.issue(params, chain::p256());
    let server = intermediate.issue(server(), chain::p256());
    let outcome = outcome(&root, &server, &[&server, &intermediate]);
    assert_eq!(outcome, refused(Refusal::Expired));
}

#[test]
fn another_name() {
    let outcome = outcome_of(server_for("login.example.org"));
    assert_eq!(outcome, refused(Refusal::WrongName));
}

#[test]
fn a_name_in_the_subject_alone() {
    let mut params = server();
    params.subject_alt_names.clear();
    assert_eq!(outcome_of(params), refused(Refusal::WrongName));
}

#[test]
fn an_unknown_ca() {
    let stranger = Chain::new(chain::p256);
    let outcome = outcome(
        &root(chain::p256()),
        &stranger.server,
        &[&stranger.server, &stranger.intermediate, &stranger.root],
    );
    // Its root bears the name of ours, and another key.
    assert_eq!(outcome, refused(Refusal::CertificateSignature));
    let ours = self_signed(ca("ours"), chain::p256());
    let outcome = self::outcome(&ours, &stranger.server, &[&stranger.server]);
    assert_eq!(outcome, refused(Refusal::UnknownIssuer));
}

#[test]
fn a_missing_intermediate() {
    let chain = Chain::new(chain::p256);
    let outcome = outcome(&chain.root, &chain.server, &[&chain.server]);
    assert_eq!(outcome, refused(Refusal::UnknownIssuer));
}

#[test]
fn a_self_signed_server() {
    let stranger = self_signed(server(), chain::p256());
    let outcome = outcome(&root(chain::p256()), &stranger, &[&stranger]);
    assert_eq!(outcome, refused(Refusal::UnknownIssuer));
}

#[test]
fn a_certificate_issued_by_a_server() {
    let chain = Chain::with(chain::p256, server_for("evil.example"));
    let evil = chain.server.issue(server(), chain::p256());
    let list = [&evil, &chain.server, &chain.intermediate];
    let outcome = outcome(&chain.root, &evil, &list);
    assert_eq!(outcome, refused(Refusal::IssuerNotCa));
}

#[test]
fn a_certificate_issued_by_a_server_that_claims_no_constraints() {
    let mut params = server_for("evil.example");
    params.is_ca = IsCa::NoCa;
    let chain = Chain::with(chain::p256, params);
    let evil = chain.server.issue(server(), chain::p256());
    let list = [&evil, &chain.server, &chain.intermediate];
    let outcome = outcome(&chain.root, &evil, &list);
    assert_eq!(outcome, refused(Refusal::IssuerNotCa));
}

#[test]
fn a_ca_as_server() {
    let mut params = server();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    assert_eq!(outcome_of(params), refused(Refusal::CaAsServer));
}

#[test]
fn a_client_s_certificate() {
    let mut params = server();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    assert_eq!(outcome_of(params), refused(Refusal::WrongPurpose));
}

#[test]
fn a_ca_below_one_that_may_have_none_below() {
    let root = root(chain::p256());
    let mut params = ca("intermediate");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let intermediate = root.issue(params, chain::p256());
    let below = intermediate.issue(ca("below"), chain::p256());
    let server = below.issue(server(), chain::p256());
    let outcome = outcome(&root, &server, &[&server, &below, &intermediate]);
    assert_eq!(outcome, refused(Refusal::Constraint));
}

#[test]
fn a_name_that_the_ca_may_not_certify() {
    let root = root(chain::p256());
    let mut params = ca("intermediate");
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![GeneralSubtree::DnsName("example.org".to_owned())],
        excluded_subtrees: vec![],
    });
    let intermediate = root.issue(params, chain::p256());
    let server = intermediate.issue(server(), chain::p256());
    let outcome = outcome(&root, &server, &[&server, &intermediate]);
    assert_eq!(outcome, refused(Refusal::Constraint));
}

#[test]
fn an_empty_chain() {
    let server = self_signed(server(), chain::p256());
    let outcome = outcome(&root(chain::p256()), &server, &[]);
    assert_eq!(outcome, refused(Refusal::NoCertificate));
}

#[test]
fn more_intermediates_than_are_taken() {
    let chain = Chain::new(chain::p256);
    let mut list = vec![&chain.server];
    list.extend([&chain.intermediate; MAX_INTERMEDIATES]);
    assert_eq!(outcome(&chain.root, &chain.server, &list), Ok(()));
    list.push(&chain.intermediate);
    let outcome = outcome(&chain.root, &chain.server, &list);
    assert_eq!(outcome, refused(Refusal::TooManyCertificates));
}

#[test]
fn forged_issuers_that_lead_to_the_root_by_every_path() {
    let ours = root(chain::p384());
    // They bear the root's name, so that each path among them seems to lead there: 65 signatures to check.
    let forged: Vec<Signer> = (0..MAX_INTERMEDIATES)
        .map(|_| root(chain::p384()))
        .collect();
    let server = forged[0].issue(server(), chain::p256());
    let mut list = vec![&server];
    list.extend(&forged);
    let outcome = outcome(&ours, &server, &list);
    assert_eq!(outcome, refused(Refusal::TooManySignatures));
}

#[test]
fn more_certificates_than_the_library_counts() {
    let chain = Chain::new(chain::p256);
    let mut list = vec![&chain.server];
    list.extend([&chain.intermediate; 20]);
    let outcome = outcome(&chain.root, &chain.server, &list);
    assert_eq!(outcome, Err(Error::Protocol));
}

#[test]
fn a_list_longer_than_the_buffer() {
    let chain = Chain::new(chain::p256);
    let client = |read_len| {
        Client {
            read_len,
            ..Client::new(Trust::Anchors(&[anchor(&chain.root)]))
        }
        .shake_hands(Server::new(chain.list(), chain.server.key()))
    };
    assert_eq!(client(4096), Ok(()));
    assert_eq!(client(512), Err(Error::RecordTooLarge));
}

#[test]
fn a_list_longer_than_a_record() {
    let chain = Chain::new(chain::p256);
    let mut list = chain.list();
    list.push(vec![0; 20_000].into());
    let transport = Server::new(list, chain.server.key());
    let outcome = Client::new(Trust::Anchors(&[anchor(&chain.root)])).shake_hands(transport);
    assert_eq!(outcome, Err(Error::Protocol));
}

#[test]
fn garbage_instead_of_certificates() {
    let chain = Chain::new(chain::p256);
    for garbage in [
        &b""[..],
        b"\x30",
        b"\x30\x80",
        b"\x30\x03\x02\x01\x01",
        &[0xff; 99],
    ] {
        for trust in [
            Trust::Anchors(&[anchor(&chain.root)]),
            Trust::PinnedKeys(&[[0; 32]]),
        ] {
            let list = vec![CertificateDer::from(garbage).into_owned()];
            let transport = Server::new(list, chain.server.key());
            let outcome = Client::new(trust).shake_hands(transport);
            assert_eq!(
                outcome,
                refused(Refusal::MalformedCertificate),
                "{garbage:?}"
            );
        }
    }
}

#[test]
fn signatures_that_nobody_verifies() {
    let chain = Chain::new(chain::p256);
    let anchors = [anchor(&chain.root)];
    for (key_types, expected) in [
        (&[KeyType::RSA, KeyType::P256][..], Ok(())),
        (&[KeyType::RSA], refused(Refusal::CertificateSignature)),
        (&[], refused(Refusal::CertificateSignature)),
    ] {
        let client = Client {
            key_types,
            ..Client::new(Trust::Anchors(&anchors))
        };
        let outcome = client.shake_hands(Server::new(chain.list(), chain.server.key()));
        assert_eq!(outcome, expected);
    }
}

#[test]
fn certificates_before_the_clock_is_set() {
    let chain = Chain::new(chain::p256);
    let anchors = [anchor(&chain.root)];
    for now in [None, Some(UnixTime::from_seconds(-1))] {
        let client = Client {
            now,
            ..Client::new(Trust::Anchors(&anchors))
        };
        let outcome = client.shake_hands(Server::new(chain.list(), chain.server.key()));
        assert_eq!(outcome, Err(Error::ClockNotSet));
    }
}

#[test]
fn a_name_that_is_none() {
    let chain = Chain::new(chain::p256);
    let anchors = [anchor(&chain.root)];
    for name in [
        "",
        "-",
        "a b",
        "https://login.example.net",
        "login.example.net:443",
    ] {
        let client = Client {
            name,
            ..Client::new(Trust::Anchors(&anchors))
        };
        let outcome = client.shake_hands(Server::new(chain.list(), chain.server.key()));
        assert_eq!(outcome, Err(Error::ServerName), "{name}");
    }
}

#[test]
fn a_buffer_too_short_to_write_with() {
    let chain = Chain::new(chain::p256);
    let anchors = [anchor(&chain.root)];
    for write_len in [0, MIN_WRITE - 1] {
        let client = Client {
            write_len,
            ..Client::new(Trust::Anchors(&anchors))
        };
        let outcome = client.shake_hands(Server::new(chain.list(), chain.server.key()));
        assert_eq!(outcome, Err(Error::WriteBuffer));
    }
}

#[test]
fn another_key_than_the_pinned_one() {
    let chain = Chain::new(chain::p256);
    let pins = [pin(&chain.intermediate), pin(&chain.root)];
    let transport = Server::new(chain.list(), chain.server.key());
    let outcome = Client::new(Trust::PinnedKeys(&pins)).shake_hands(transport);
    assert_eq!(outcome, refused(Refusal::OtherKey));
}

#[test]
fn a_pinned_key_that_the_server_only_shows() {
    let pinned = self_signed(server(), chain::p256());
    let transport = Server::new(vec![pinned.certificate.clone()], &chain::p256());
    let pins = [pin(&pinned)];
    let outcome = Client::new(Trust::PinnedKeys(&pins)).shake_hands(transport);
    assert_eq!(outcome, refused(Refusal::HandshakeSignature));
}

#[test]
fn a_pinned_key_out_of_its_time() {
    let pinned = self_signed(server(), chain::p256());
    let pins = [pin(&pinned)];
    for (days, expected) in [
        (-365, refused(Refusal::NotYetValid)),
        (0, Ok(())),
        (365, refused(Refusal::Expired)),
    ] {
        let client = Client {
            now: Some(UnixTime::from_seconds(NOW.seconds() + days * 86_400)),
            ..Client::new(Trust::PinnedKeys(&pins))
        };
        let transport = Server::new(vec![pinned.certificate.clone()], pinned.key());
        assert_eq!(client.shake_hands(transport), expected);
    }
}

#[test]
fn another_s_certificate() {
    let chain = Chain::new(chain::p256);
    let transport = Server::new(chain.list(), &chain::p256());
    let outcome = Client::new(Trust::Anchors(&[anchor(&chain.root)])).shake_hands(transport);
    assert_eq!(outcome, refused(Refusal::HandshakeSignature));
}

#[test]
fn a_broken_signature_of_the_handshake() {
    for make_key in [chain::p256, chain::p384, chain::ed25519, chain::rsa2048] {
        let chain = Chain::new(make_key);
        let outcome = outcome_of_forger(&chain, |signature| {
            let last = signature.last_mut().unwrap();
            *last ^= 1;
        });
        assert_eq!(outcome, refused(Refusal::HandshakeSignature));
    }
}

#[test]
fn an_empty_signature_of_the_handshake() {
    let outcome = outcome_of_forger(&Chain::new(chain::p256), Vec::clear);
    assert_eq!(outcome, refused(Refusal::HandshakeSignature));
}

#[test]
fn a_signature_scheme_that_does_not_fit_the_key() {
    let chain = Chain::new(chain::p256);
    for scheme in [
        SignatureScheme::ECDSA_NISTP384_SHA384,
        SignatureScheme::RSA_PSS_SHA256,
        SignatureScheme::ED25519,
    ] {
        let outcome = outcome_of_scheme(&chain, scheme);
        assert_eq!(outcome, refused(Refusal::SignatureScheme), "{scheme:?}");
    }
}

#[test]
fn a_signature_scheme_for_certificates_only() {
    let chain = Chain::new(chain::rsa2048);
    let outcome = outcome_of_scheme(&chain, SignatureScheme::RSA_PKCS1_SHA256);
    assert_eq!(outcome, refused(Refusal::SignatureScheme));
}

#[test]
fn a_signature_scheme_that_nobody_knows() {
    let chain = Chain::new(chain::p256);
    let outcome = outcome_of_scheme(&chain, SignatureScheme::Unknown(0xfefe));
    assert_eq!(outcome, Err(Error::Protocol));
}

#[test]
fn an_earlier_version_of_tls() {
    let chain = Chain::new(chain::p256);
    let key = signing_key(chain.server.key());
    let transport = Server::of_version(chain.list(), key, &rustls::version::TLS12);
    let outcome = Client::new(Trust::Anchors(&[anchor(&chain.root)])).shake_hands(transport);
    // protocol_version (RFC 8446 section 6.2).
    assert_eq!(outcome, Err(Error::Alert(70)));
}

#[test]
fn a_change_of_any_byte_of_a_certificate() {
    let chain = Chain::new(chain::p256);
    let anchors = [anchor(&chain.root)];
    let good = chain.list();
    for (place, certificate) in good.iter().enumerate() {
        for at in 0..certificate.len() {
            for change in [0x01, 0x20, 0xff] {
                let mut bytes = certificate.to_vec();
                bytes[at] ^= change;
                let mut list = good.clone();
                list[place] = bytes.into();
                let transport = Server::new(list, chain.server.key());
                let outcome = Client::new(Trust::Anchors(&anchors)).shake_hands(transport);
                let refused = matches!(outcome, Err(Error::Refused(_)));
                assert!(
                    refused,
                    "byte {at} of {place} with {change:#x}: {outcome:?}"
                );
            }
        }
    }
}

#[test]
fn the_beginning_of_a_certificate() {
    let chain = Chain::new(chain::p256);
    let anchors = [anchor(&chain.root)];
    let whole = &chain.server.certificate;
    for length in 0..whole.len() {
        let list = vec![whole[..length].to_vec().into()];
        let transport = Server::new(list, chain.server.key());
        let outcome = Client::new(Trust::Anchors(&anchors)).shake_hands(transport);
        assert_eq!(outcome, refused(Refusal::MalformedCertificate));
    }
}

#[test]
fn a_change_of_any_byte_that_a_server_sends() {
    let chain = Chain::new(chain::p256);
    let anchors = [anchor(&chain.root)];
    // A ServerHello, a change_cipher_spec, and then protected records. The versions of the first two
    // mean nothing, nor does what the second holds (RFC 8446 sections 5.1 and D.4).
    let hello = 5 + 123;
    let means_nothing = [1, 2, hello + 1, hello + 2, hello + 5];
    for at in 0.. {
        for change in [0x01, 0x80, 0xff] {
            let mut server = Server::new(chain.list(), chain.server.key());
            server.forge = Some((at, change));
            let outcome = Client::new(Trust::Anchors(&anchors)).shake_hands(&mut server);
            if server.forge.is_some() {
                assert!(at > 900, "all that a server sends");
                return;
            }
            let passes = means_nothing.contains(&at);
            assert_eq!(outcome.is_ok(), passes, "byte {at} ^ {change}: {outcome:?}");
        }
    }
}

#[test]
fn noise() {
    let chain = Chain::new(chain::p256);
    let anchors = [anchor(&chain.root)];
    for noise in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        b"220 mail.example.net ESMTP\r\n",
        &[0; 99],
        &[0xff; 99],
        &[22, 3, 3, 0, 0],
        &[22, 3, 3, 0, 4, 2, 0, 0, 0],
        &[22, 3, 3, 0xff, 0xff, 2, 0, 0, 0],
        &[20, 3, 3, 0, 1, 1],
        &[23, 3, 3, 0, 1, 1],
    ] {
        let mut server = Server::new(chain.list(), chain.server.key());
        server.said = noise.to_vec();
        let outcome = Client::new(Trust::Anchors(&anchors)).shake_hands(server);
        assert_eq!(outcome, Err(Error::Protocol), "{noise:?}");
    }
}

fn outcome_of_forger(chain: &Chain, forge: fn(&mut Vec<u8>)) -> Result<(), Error> {
    let key = signing_key(chain.server.key());
    outcome_of_key(
        chain,
        Forger {
            key,
            forge,
            scheme: None,
        },
    )
}

fn outcome_of_scheme(chain: &Chain, scheme: SignatureScheme) -> Result<(), Error> {
    let key = signing_key(chain.server.key());
    let scheme = Some(scheme);
    outcome_of_key(
        chain,
        Forger {
            key,
            forge: |_| (),
            scheme,
        },
    )
}

fn outcome_of_key(chain: &Chain, key: Forger) -> Result<(), Error> {
    let transport = Server::with_key(chain.list(), Arc::new(key));
    Client::new(Trust::Anchors(&[anchor(&chain.root)])).shake_hands(transport)
}

/// Signs with a key, and then changes the signature or what it is called.
#[derive(Clone, Debug)]
struct Forger {
    key: Arc<dyn SigningKey>,
    forge: fn(&mut Vec<u8>),
    scheme: Option<SignatureScheme>,
}

impl SigningKey for Forger {
    fn choose_scheme(&self, _: &[SignatureScheme]) -> Option<Box<dyn rustls::sign::Signer>> {
        Some(Box::new(self.clone()))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.key.algorithm()
    }
}

impl Forger {
    fn signer(&self) -> Box<dyn rustls::sign::Signer> {
        let all = [
            SignatureScheme::ECDSA_NISTP256_SHA256,
            SignatureScheme::ECDSA_NISTP384_SHA384,
            SignatureScheme::RSA_PSS_SHA256,
            SignatureScheme::ED25519,
        ];
        self.key.choose_scheme(&all).unwrap()
    }
}

impl rustls::sign::Signer for Forger {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        let mut signature = self.signer().sign(message)?;
        (self.forge)(&mut signature);
        Ok(signature)
    }

    fn scheme(&self) -> SignatureScheme {
        self.scheme.unwrap_or_else(|| self.signer().scheme())
    }
}
