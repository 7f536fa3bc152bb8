//! What Dovecot's oauth2 database asks over HTTP, behind HTTP's own grammar.

use gatepost_core::Rejection;
use gatepost_mail::http::{
    Accepted, Caller, Endpoint, Question, RefusalReason, Reply, Request, Responder, Shape,
};
use serde_json::Value;

/// Whom a good token is.
const ALICE: &str = "alice@example.com";

/// A request: its method, path and query on one line, a header on each further one, and behind an empty line its
/// body.
///
/// # Panics
/// Where a question comes without a token, from somebody who may not ask, or an answer is none that its asker can
/// read.
pub fn http_requests(data: &[u8]) {
    let Some((request, headers)) = read(data) else {
        return;
    };
    let request = Request {
        headers: &headers,
        ..request
    };
    for shape in [Shape::Dovecot, Shape::Rfc] {
        check(&responder(shape, None), shape, &request);
        let known = Caller::new("rs", "a secret");
        check(&responder(shape, Some(known)), shape, &request);
    }
    // Nothing says this secret, and no byte of it can be found out by what is compared.
    let secret = "5f2c8e71-0d94-4b6a-a3f7-6c1e9d20b845";
    let closed = responder(Shape::Rfc, Some(Caller::new("rs", secret)));
    assert!(closed.read(&request).is_err(), "anybody may ask");
}

fn responder(shape: Shape, caller: Option<Caller>) -> Responder {
    Responder::new(shape, vec!["username".to_owned()], caller, [7; 16])
}

type Headers<'d> = Vec<(&'d str, &'d [u8])>;

/// The request without its headers, and these, in the lower case that HTTP's grammar gives them.
fn read(data: &[u8]) -> Option<(Request<'_>, Headers<'_>)> {
    let end = data.windows(2).position(|two| two == b"\n\n");
    let (head, body) = data.split_at(end.unwrap_or(data.len()));
    let mut lines = head.split(|byte| *byte == b'\n');
    let mut words = str::from_utf8(lines.next()?).ok()?.splitn(3, ' ');
    let headers = lines.filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at(colon);
        let name = str::from_utf8(name).ok()?;
        let is_lower = !name.bytes().any(|byte| byte.is_ascii_uppercase());
        is_lower.then_some((name, value.get(1..)?.trim_ascii()))
    });
    let request = Request {
        method: words.next()?,
        path: words.next()?,
        query: words.next().unwrap_or_default(),
        headers: &[],
        body: body.strip_prefix(b"\n\n").unwrap_or_default(),
    };
    Some((request, headers.collect()))
}

fn check(responder: &Responder, shape: Shape, request: &Request<'_>) {
    let Question {
        endpoint, token, ..
    } = match responder.read(request) {
        Ok(question) => question,
        Err(refusal) => {
            let body = body(&refusal.reply);
            // It is not the token's fault, which Dovecot and others see by the error.
            assert!(body["error"].is_string() && body.get("active").is_none());
            let expected: &[u16] = match refusal.reason {
                RefusalReason::NoSuchEndpoint => &[404],
                RefusalReason::MethodNotAllowed => &[405],
                RefusalReason::NoToken => &[400, 401],
                RefusalReason::NotAForm | RefusalReason::Repeated => &[400],
                RefusalReason::UnknownCaller => &[401],
                other => panic!("{other:?} is new"),
            };
            assert!(expected.contains(&refusal.reply.status));
            return;
        }
    };
    assert!(!token.is_empty());
    check_verdicts(responder, shape, endpoint, &token);
}

/// A token that is good may hold anything, and a field of its answer what the token says.
fn check_verdicts(responder: &Responder, shape: Shape, endpoint: Endpoint, token: &[u8]) {
    let said = String::from_utf8_lossy(token);
    let accepted = Accepted {
        user: ALICE,
        expires_at: None,
        scopes: &[said.clone().into_owned()],
        fields: &[(&said, Some(&said)), ("username", Some("mallory"))],
    };
    let reply = responder.accept(endpoint, &accepted);
    let good = body(&reply);
    assert_eq!(reply.status, 200);
    assert_eq!(good["username"], ALICE, "a field has replaced the user");
    if endpoint != Endpoint::Userinfo {
        assert_eq!(good["active"], true);
    }
    let reply = responder.refuse(endpoint, Rejection::BadSignature);
    let bad = body(&reply);
    assert_ne!(bad["username"], ALICE);
    match (shape, endpoint) {
        (Shape::Rfc, Endpoint::Introspection) => assert_eq!(reply.status, 200),
        _ => assert_eq!(reply.status, 401),
    }
    assert_ne!(bad["active"], true);
    assert_eq!(responder.refuse(endpoint, Rejection::Busy).status, 503);
}

/// One JSON object.
#[track_caller]
fn body(reply: &Reply) -> Value {
    let body: Value = serde_json::from_str(&reply.body).expect("JSON");
    assert!(body.is_object());
    body
}
