//! The tokens that are judged, and the keys that they are signed with.

use std::{env, fs, io, path::Path, rc::Rc};

use aws_lc_rs::rsa::KeySize;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use gatepost_core::{
    crypto::{Algorithm, Backend},
    jose::{Jwk, KeyBuffer},
};
use gatepost_tests::mint::Issuer;
use gatepost_tests::typical;
use serde_json::{Value, json};

/// Where a process under valgrind finds them: it must not spend its time on making keys.
const PLACE: &str = "GATEPOST_BENCH_TOKENS";

/// A signed token, taken apart once.
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) algorithm: Algorithm,
    pub(crate) signature: Vec<u8>,
    pub(crate) jwk: Value,
}

/// Those of the table.
pub(crate) struct Tokens {
    pub(crate) rs256: Rc<Token>,
    pub(crate) es256: Rc<Token>,
    pub(crate) rs256_4096: Rc<Token>,
}

/// Makes keys and signs: RS256 tokens of 1,075 bytes and ES256 of 819, as a common provider's have.
pub(crate) fn mint() -> Tokens {
    let small = Issuer::new();
    let large = Issuer::with_rsa_size(KeySize::Rsa4096);
    Tokens {
        rs256: Rc::new(Token::mint(&small, "RS256", 1075)),
        es256: Rc::new(Token::mint(&small, "ES256", 819)),
        rs256_4096: Rc::new(Token::mint(&large, "RS256", 1417)),
    }
}

/// Writes `tokens` for [`load`] in another process.
pub(crate) fn save(tokens: &Tokens, folder: &Path) -> io::Result<()> {
    let one = |token: &Token| json!({"token": token.text, "jwk": token.jwk});
    let all = [&tokens.rs256, &tokens.es256, &tokens.rs256_4096].map(|token| one(token));
    fs::write(
        folder.join("tokens.json"),
        Value::from(all.to_vec()).to_string(),
    )
}

/// Tells a process where [`save`] has written.
pub(crate) fn place(folder: &Path) -> (&'static str, std::path::PathBuf) {
    (PLACE, folder.join("tokens.json"))
}

/// Reads what [`save`] wrote.
pub(crate) fn load() -> io::Result<Tokens> {
    let place =
        env::var_os(PLACE).ok_or_else(|| io::Error::other("no tokens: run without --only"))?;
    let all: Value = serde_json::from_slice(&fs::read(place)?)?;
    let one = |index: usize| {
        let text = all[index]["token"].as_str().expect("a token");
        Rc::new(Token::new(text.to_owned(), all[index]["jwk"].clone()))
    };
    Ok(Tokens {
        rs256: one(0),
        es256: one(1),
        rs256_4096: one(2),
    })
}

impl Token {
    fn new(text: String, jwk: Value) -> Self {
        let alg = jwk["alg"].as_str().expect("an algorithm");
        let algorithm = Algorithm::from_name(alg).expect("a known algorithm");
        let signature = text.rsplit_once('.').expect("a JWS").1;
        let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
        Self {
            text,
            algorithm,
            signature,
            jwk,
        }
    }

    fn mint(issuer: &Issuer, alg: &str, len: usize) -> Self {
        Self::new(typical::token(issuer, alg, len), issuer.jwk(alg))
    }

    pub(crate) fn signing_input(&self) -> &[u8] {
        self.text.rsplit_once('.').expect("a JWS").0.as_bytes()
    }

    pub(crate) fn prepare<B: Backend>(&self, backend: &B) -> B::Key {
        let json = self.jwk.to_string();
        let mut buffer = KeyBuffer::new();
        let jwk = Jwk::parse(json.as_bytes()).expect("a JWK");
        let material = jwk.material_or_secret(&mut buffer).expect("numbers");
        backend
            .prepare(&material, jwk.algorithms())
            .expect("a usable key")
    }
}
