//! The examples of the standards: RFC 7515 appendix A, RFC 8037 appendix A.4, and the cookbook of RFC 7520.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::Case;
use crate::corpora::{json_files, read_json};

/// The claims of RFC 7515 appendices A.1 to A.3, A.5 and A.6.
pub const CLAIMS: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

// RFC 7515 appendix A.1.
const HS256_HEADER: &str = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9";
const HS256_SIGNATURE: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

fn hmac_key() -> Value {
    json!({"kty": "oct", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"})
}

/// The header of RFC 7515 appendix A.2.
pub const RS256_HEADER: &str = "eyJhbGciOiJSUzI1NiJ9";
/// The signature of RFC 7515 appendix A.2.
pub const RS256_SIGNATURE: &str = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";

fn rsa_key() -> Value {
    json!({
        "kty": "RSA",
        "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
        "e": "AQAB",
    })
}

/// The header of RFC 7515 appendix A.3.
pub const ES256_HEADER: &str = "eyJhbGciOiJFUzI1NiJ9";
/// The signature of RFC 7515 appendix A.3.
pub const ES256_SIGNATURE: &str =
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

fn p256_key() -> Value {
    json!({
        "kty": "EC",
        "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    })
}

// RFC 7515 appendix A.4.
const ES512_TOKEN: &str = "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn";

fn p521_key() -> Value {
    json!({
        "kty": "EC",
        "crv": "P-521",
        "x": "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
        "y": "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2",
    })
}

// RFC 8037 appendices A.2 and A.4.
const ED25519_TOKEN: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

fn ed25519_key() -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
}

/// A token and the JWK that verifies it.
#[derive(Clone, Debug)]
pub struct Example {
    /// Where it stands.
    pub name: String,
    /// The key.
    pub jwk: Value,
    /// The token.
    pub token: String,
}

/// Those of RFC 7515 and RFC 8037, each with a key of another type.
#[must_use]
pub fn examples() -> [Example; 5] {
    let example = |name: &str, jwk, token| Example {
        name: name.to_owned(),
        jwk,
        token,
    };
    let jwt = |header, signature| format!("{header}.{CLAIMS}.{signature}");
    [
        example(
            "RFC 7515 A.1 HS256",
            hmac_key(),
            jwt(HS256_HEADER, HS256_SIGNATURE),
        ),
        example(
            "RFC 7515 A.2 RS256",
            rsa_key(),
            jwt(RS256_HEADER, RS256_SIGNATURE),
        ),
        example(
            "RFC 7515 A.3 ES256",
            p256_key(),
            jwt(ES256_HEADER, ES256_SIGNATURE),
        ),
        example("RFC 7515 A.4 ES512", p521_key(), ES512_TOKEN.to_owned()),
        example(
            "RFC 8037 A.4 Ed25519",
            ed25519_key(),
            ED25519_TOKEN.to_owned(),
        ),
    ]
}

/// What an example of the cookbook shows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Shows {
    /// A JWK.
    Key,
    /// A compact JWS.
    Token,
    /// A detached payload.
    Detached,
    /// What a compact JWS cannot be, such as a header beside the protected one.
    JsonOnly,
    /// An unencoded payload (RFC 7797).
    Unencoded,
    /// Nothing known: a new file has to be sorted in first.
    New,
}

/// The cookbook's files with what each of them shows; none where the corpus is not there.
///
/// # Panics
/// Where the corpus cannot be read.
#[must_use]
pub fn cookbook() -> Vec<(PathBuf, Shows)> {
    let files = json_files("rfc7520").into_iter();
    files.map(|path| (path.clone(), shown(&path))).collect()
}

fn shown(path: &Path) -> Shows {
    match path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .as_ref()
    {
        "jwk-3_1.ec_public_key.json"
        | "jwk-3_2.ec_private_key.json"
        | "jwk-3_3.rsa_public_key.json"
        | "jwk-3_4.rsa_private_key.json"
        | "jwk-3_5.symmetric_key_mac_computation.json" => Shows::Key,
        "jws-4_1.rsa_v15_signature.json"
        | "jws-4_2.rsa-pss_signature.json"
        | "jws-4_3.ecdsa_signature.json"
        | "jws-4_4.hmac-sha2_integrity_protection.json"
        | "curve25519-jws.json" => Shows::Token,
        "jws-4_5.signature_with_detached_content.json" => Shows::Detached,
        "jws-4_6.protecting_specific_header_fields.json"
        | "jws-4_7.protecting_content_only.json"
        | "jws-4_8.multiple_signatures.json" => Shows::JsonOnly,
        "rfc7797-4.2.hmac-sha2_b64_false.json" | "rfc7797-hmac-sha2_b64_false.json" => {
            Shows::Unencoded
        }
        _ => Shows::New,
    }
}

/// `token` with one character changed: of its signature, and of its payload.
///
/// # Panics
/// Where it is no JWS.
#[must_use]
pub fn altered(token: &str) -> [String; 2] {
    let dot = token.rfind('.').expect("a dot");
    [dot - 4, dot + 8].map(|at| with_another_character(token, at))
}

fn with_another_character(token: &str, at: usize) -> String {
    let other = if &token[at..=at] == "A" { "B" } else { "A" };
    format!("{}{other}{}", &token[..at], &token[at + 1..])
}

/// The examples of the standards and, where the corpus is there, of the cookbook: as they are, altered, and
/// each of the standards' with every key.
///
/// # Panics
/// As [`cookbook`].
#[must_use]
pub fn tokens() -> Vec<Case> {
    let examples = examples();
    let cookbook = cookbook().into_iter();
    let shown = cookbook.filter(|(_, shows)| *shows == Shows::Token);
    let mut cases: Vec<Case> = examples
        .iter()
        .cloned()
        .chain(shown.map(|(path, _)| of_cookbook(&path)))
        .flat_map(|example| judged(&example))
        .collect();
    for (i, Example { jwk, .. }) in examples.iter().enumerate() {
        for (j, Example { name, token, .. }) in examples.iter().enumerate() {
            let name = format!("{name} with key {i}");
            cases.push(Case::token(name, jwk, token, i == j));
        }
    }
    cases
}

fn judged(example: &Example) -> [Case; 3] {
    let Example { name, jwk, token } = example;
    let [signature, payload] = altered(token);
    [
        Case::token(name.clone(), jwk, token, true),
        Case::token(format!("{name}, altered signature"), jwk, &signature, false),
        Case::token(format!("{name}, altered payload"), jwk, &payload, false),
    ]
}

fn of_cookbook(path: &Path) -> Example {
    let example = read_json(path);
    let token = example["output"]["compact"].as_str().expect("a token");
    Example {
        name: path.display().to_string(),
        jwk: example["input"]["key"].clone(),
        token: token.to_owned(),
    }
}
