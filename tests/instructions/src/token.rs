//! Tokens with the claims that providers send, and such as are made to cost much.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// When all of them are good, in seconds since 1970.
pub(crate) const NOW: i64 = 1_795_312_000;

/// A token as a common provider writes it, padded to `len` bytes, with a signature of `signature` bytes.
pub(crate) fn typical(alg: &str, signature: usize, len: usize) -> String {
    let with_padding = |padding: usize| {
        let claims = [
            r#"{"aud":["account","mail"],"azp":"roundcube","email":"alice@example.com","#,
            r#""email_verified":true,"exp":1795312300,"groups":["staff","mail-users"],"#,
            r#""iat":1795312000,"iss":"https://id.example.com/realms/example","#,
            r#""nbf":1795312000,"preferred_username":"alice","#,
            r#""scope":"openid profile email mail","sid":""#,
            &"x".repeat(padding),
            r#"","sub":"f81d4fae-7dec-11d0-a765-00a0c91e6bf6"}"#,
        ]
        .concat();
        token(&header(alg, Some(alg)), &claims, signature)
    };
    (0..len)
        .map(with_padding)
        .find(|token| token.len() >= len)
        .expect("a length that can be met")
}

/// A token without `kid` whose 127 members have one escaped name among them (N7).
pub(crate) fn escaped_name() -> String {
    let members = (1..127).map(|i| format!(r#""n{i:03}":"{}","#, "x".repeat(36)));
    let claims = format!(
        r#"{{"\u006e000":0,{}"iss":"https://id.example.com/realms/example"}}"#,
        members.collect::<String>()
    );
    token(&header("ES256", None), &claims, 64)
}

/// A token whose `count` members are the shortest that there are.
pub(crate) fn many_members(count: u32) -> String {
    let members: Vec<_> = (0..count).map(|i| format!("\"{i:x}\":0")).collect();
    let claims = format!("{{{}}}", members.join(","));
    token(&header("ES256", Some("ES256")), &claims, 64)
}

fn header(alg: &str, kid: Option<&str>) -> String {
    let kid = kid.map_or(String::new(), |kid| format!(r#""kid":"{kid}","#));
    format!(r#"{{"alg":"{alg}",{kid}"typ":"at+jwt"}}"#)
}

fn token(header: &str, claims: &str, signature: usize) -> String {
    let signature: Vec<u8> = (0..=255).cycle().take(signature).collect();
    [header.as_bytes(), claims.as_bytes(), &signature]
        .map(|part| URL_SAFE_NO_PAD.encode(part))
        .join(".")
}
