//! What one signature takes to verify, as the daemon does.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use gatepost_aws_lc::AwsLc;
use gatepost_core::crypto::{Algorithm, Backend as _, VerifyingKey as _};
use gatepost_core::jose::{Jwk, KeyBuffer};
use gatepost_tests::mint::Issuer;

use super::table::median;

const ALGORITHMS: [&str; 3] = ["RS256", "ES256", "ES512"];

/// How often each is measured.
const TIMES: usize = 200;

/// Microseconds by algorithm.
pub(crate) struct Verifications(BTreeMap<&'static str, f64>);

impl Verifications {
    pub(crate) fn measure(issuer: &Issuer) -> Self {
        let one = |name: &'static str| (name, micros(issuer, name));
        Self(ALGORITHMS.into_iter().map(one).collect())
    }

    pub(crate) fn of(&self, algorithm: &str) -> f64 {
        self.0.get(algorithm).copied().unwrap_or(f64::NAN)
    }
}

fn micros(issuer: &Issuer, name: &str) -> f64 {
    let algorithm = Algorithm::from_name(name).expect("a known algorithm");
    let json = issuer.jwk(name).to_string();
    let mut buffer = KeyBuffer::new();
    let jwk = Jwk::parse(json.as_bytes()).expect("a JWK");
    let material = jwk.material_or_secret(&mut buffer).expect("numbers");
    let key = AwsLc.prepare(&material, jwk.algorithms());
    let key = key.expect("a usable key");
    let input = [b'x'; 700];
    let signature = issuer.signature(name, &input);
    let time = |_| {
        let begun = Instant::now();
        key.verify(algorithm, black_box(&input), &signature)
            .expect("a good signature");
        begun.elapsed().as_secs_f64() * 1e6
    };
    median((0..TIMES).map(time).collect())
}
