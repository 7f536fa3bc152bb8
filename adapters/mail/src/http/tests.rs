use gatepost_core::{Rejection, UnixTime, Violation};
use serde_json::{Value, json};

use super::*;

const NOBODY: &str = "nobody-07070707070707070707070707070707@gatepost.invalid";

fn http(shape: Shape) -> Responder {
    let attributes = ["email", "username", "sub"].map(str::to_owned);
    Responder::new(shape, attributes.into(), None, [7; 16])
}

fn guarded() -> Responder {
    let caller = Caller::new("rs", "s:cr&t");
    let attributes = vec!["email".to_owned()];
    Responder::new(Shape::Dovecot, attributes, Some(caller), [7; 16])
}

const FORM: (&str, &[u8]) = ("content-type", b"application/x-www-form-urlencoded");

/// A request with a target and headers.
fn get<'r>(target: &'r str, headers: &'r [(&'r str, &'r [u8])]) -> Request<'r> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Request {
        method: "GET",
        path,
        query,
        headers,
        body: b"",
    }
}

fn post<'r>(path: &'r str, headers: &'r [(&'r str, &'r [u8])], body: &'r str) -> Request<'r> {
    let mut request = get(path, headers);
    request.method = "POST";
    request.body = body.as_bytes();
    request
}

#[track_caller]
fn token(http: &Responder, request: &Request<'_>) -> String {
    let question = http.read(request).unwrap();
    String::from_utf8(question.token).unwrap()
}

#[track_caller]
fn refused(http: &Responder, request: &Request<'_>) -> (&'static str, u16) {
    let refusal = http.read(request).unwrap_err();
    let body: Value = serde_json::from_str(&refusal.reply.body).unwrap();
    assert!(body["error"].is_string(), "Dovecot takes it for temporary");
    (refusal.reason.code(), refusal.reply.status)
}

#[test]
fn the_token_is_found_where_each_of_dovecots_modes_puts_it() {
    let http = http(Shape::Dovecot);
    let bearer: &[(&str, &[u8])] = &[("authorization", b"Bearer t.o-k_e~n+/=")];
    assert_eq!(token(&http, &get("/userinfo", bearer)), "t.o-k_e~n+/=");
    assert_eq!(
        token(&http, &post("/userinfo/", bearer, "")),
        "t.o-k_e~n+/="
    );
    let form = "token=t%2ek%2b%2f%3d&client_id=&client_secret=";
    assert_eq!(token(&http, &post("/introspect", &[FORM], form)), "t.k+/=");
    let target = "/introspect?token=t%2ek%2b%2f%3d&client_id=x&client_secret=y";
    assert_eq!(token(&http, &get(target, &[])), "t.k+/=");
    for parameter in ["token", "access_token"] {
        let target = format!("/tokeninfo?{parameter}=t%2ek");
        assert_eq!(token(&http, &get(&target, bearer)), "t.k");
    }
    // A mode that does not fit the endpoint.
    assert_eq!(token(&http, &get("/introspect", bearer)), "t.o-k_e~n+/=");
}

#[test]
fn a_scheme_has_no_case_and_ends_at_a_space() {
    let http = http(Shape::Dovecot);
    for good in ["bearer t", "BEARER  t ", "Bearer t"] {
        let headers = [("authorization", good.as_bytes())];
        assert_eq!(token(&http, &get("/userinfo", &headers)), "t");
    }
    for bad in ["", "Bearer", "Bearer ", "Bearert", "Basic t", "t"] {
        let headers = [("authorization", bad.as_bytes())];
        let refused = refused(&http, &get("/userinfo", &headers));
        assert_eq!(refused, ("no_token", 401), "{bad}");
    }
}

#[test]
fn what_a_client_made_up_reaches_the_judge_as_it_is() {
    let http = http(Shape::Dovecot);
    let headers: [(&str, &[u8]); 1] = [("authorization", b"Bearer \xff t\"")];
    let question = http.read(&get("/userinfo", &headers)).unwrap();
    assert_eq!(question.token, b"\xff t\"");
}

#[test]
fn who_asks_wrongly_is_told_so_and_the_token_is_not_blamed() {
    let http = http(Shape::Dovecot);
    let two: &[(&str, &[u8])] = &[
        ("authorization", b"Bearer a"),
        ("authorization", b"Bearer b"),
    ];
    let json: &[(&str, &[u8])] = &[("content-type", b"application/json")];
    let mut put = get("/userinfo", &[]);
    put.method = "PUT";
    for (request, expected) in [
        (get("/", &[]), ("no_such_endpoint", 404)),
        (get("/userinfo/x", &[]), ("no_such_endpoint", 404)),
        (
            get("/introspect/eyJhbGciOi", &[]),
            ("no_such_endpoint", 404),
        ),
        (put, ("method_not_allowed", 405)),
        (
            post("/tokeninfo", &[FORM], "token=t"),
            ("method_not_allowed", 405),
        ),
        (post("/introspect", json, "token=t"), ("not_a_form", 400)),
        (post("/introspect", &[], "token=t"), ("not_a_form", 400)),
        (post("/introspect", &[FORM], "tokens=t"), ("no_token", 400)),
        (get("/introspect?token=", &[]), ("no_token", 400)),
        (get("/userinfo?token=t", &[]), ("no_token", 401)),
        (get("/userinfo", two), ("repeated_parameter", 400)),
        (
            get("/tokeninfo?token=a&access_token=b", &[]),
            ("repeated_parameter", 400),
        ),
    ] {
        assert_eq!(refused(&http, &request), expected, "{request:?}");
    }
}

#[test]
fn only_the_caller_may_ask_and_userinfo_is_closed() {
    let http = guarded();
    // "rs:s:cr&t", and each half form-encoded first.
    for credentials in ["Basic cnM6czpjciZ0", "basic cnM6cyUzQWNyJTI2dA=="] {
        let headers = [("authorization", credentials.as_bytes()), FORM];
        assert_eq!(token(&http, &post("/introspect", &headers, "token=t")), "t");
        assert_eq!(token(&http, &get("/tokeninfo?token=t", &headers)), "t");
    }
    let form = "token=t&client_id=rs&client_secret=s%3acr%26t";
    assert_eq!(token(&http, &post("/introspect", &[FORM], form)), "t");
    for wrong in [
        "Basic cnM6czpjciZ1",
        "Basic cnM6",
        "Basic ",
        "Basic !",
        "Bearer t",
    ] {
        let headers = [("authorization", wrong.as_bytes()), FORM];
        let request = post("/introspect", &headers, "token=t");
        assert_eq!(refused(&http, &request), ("unknown_caller", 401), "{wrong}");
    }
    let form = "token=t&client_id=rs&client_secret=";
    let request = post("/introspect", &[FORM], form);
    assert_eq!(refused(&http, &request), ("unknown_caller", 401));
    let bearer: &[(&str, &[u8])] = &[("authorization", b"Bearer t")];
    let closed = refused(&http, &get("/userinfo", bearer));
    assert_eq!(closed, ("no_such_endpoint", 404));
}

#[test]
fn dovecot_says_where_a_login_comes_from() {
    let http = http(Shape::Dovecot);
    let headers: &[(&str, &[u8])] = &[
        ("authorization", b"Bearer t"),
        ("x-dovecot-auth-protocol", b"imap"),
        ("x-dovecot-auth-remote", b"192.0.2.7:4711"),
        ("x-dovecot-auth-local", b"[2001:db8::1]:993"),
    ];
    let origin = http.read(&get("/userinfo", headers)).unwrap().origin;
    assert_eq!(origin.service, "imap");
    assert_eq!(origin.remote.address, Some("192.0.2.7".parse().unwrap()));
    assert_eq!(origin.remote.port, Some(4711));
    assert_eq!(origin.local.address, Some("2001:db8::1".parse().unwrap()));
    let headers: &[(&str, &[u8])] = &[
        ("authorization", b"Bearer t"),
        ("x-dovecot-auth-service", b"a name that is far too long"),
        ("x-dovecot-auth-remote", b"\xff"),
    ];
    let origin = http.read(&get("/userinfo", headers)).unwrap().origin;
    assert_eq!(origin, gatepost_core::dovecot::Origin::default());
}

const BAD: Rejection = Rejection::BadSignature;
const AWAY: Rejection = Rejection::ProviderUnavailable;
const SCOPE: Rejection = Rejection::Claims(Violation::InsufficientScope);

#[track_caller]
fn answers(reply: &Reply, status: u16, body: &Value) {
    assert_eq!(reply.status, status);
    let told: Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(told, *body);
    assert!(reply.headers.contains(&("cache-control", "no-store")));
}

#[test]
fn a_good_token_has_the_users_name_under_every_attribute() {
    let scopes = ["mail".to_owned(), "imap".to_owned()];
    let accepted = Accepted {
        user: "alice@example.com",
        expires_at: Some(UnixTime::from_seconds(7)),
        scopes: &scopes,
        fields: &[
            ("proxy", Some("y")),
            ("nodelay", None),
            ("active", Some("no")),
        ],
    };
    let dovecot = json!({
        "active": true, "token_type": "Bearer", "exp": 7, "scope": "mail imap",
        "email": "alice@example.com", "username": "alice@example.com", "sub": "alice@example.com",
        "proxy": "y", "nodelay": "",
    });
    let all = [
        Endpoint::Userinfo,
        Endpoint::Introspection,
        Endpoint::Tokeninfo,
    ];
    for endpoint in all {
        let reply = http(Shape::Dovecot).accept(endpoint, &accepted);
        answers(&reply, 200, &dovecot);
    }
    let plain = Accepted {
        fields: &[],
        ..accepted
    };
    let reply = http(Shape::Rfc).accept(Endpoint::Userinfo, &plain);
    let names = json!({"email": plain.user, "username": plain.user, "sub": plain.user});
    answers(&reply, 200, &names);
    let reply = http(Shape::Rfc).accept(Endpoint::Introspection, &plain);
    assert!(reply.body.contains("\"active\":true"));
}

#[test]
fn dovecot_hears_of_a_bad_token_as_somebody_whom_nobody_is() {
    let http = http(Shape::Dovecot);
    let body = json!({"active": false, "email": NOBODY, "username": NOBODY, "sub": NOBODY});
    for endpoint in [
        Endpoint::Userinfo,
        Endpoint::Introspection,
        Endpoint::Tokeninfo,
    ] {
        answers(&http.refuse(endpoint, BAD), 401, &body);
        answers(&http.refuse(endpoint, SCOPE), 403, &body);
    }
}

#[test]
fn others_hear_of_a_bad_token_what_the_rfcs_say() {
    let http = http(Shape::Rfc);
    let reply = http.refuse(Endpoint::Introspection, BAD);
    answers(&reply, 200, &json!({"active": false}));
    for (rejection, status, error) in [
        (BAD, 401, "invalid_token"),
        (SCOPE, 403, "insufficient_scope"),
    ] {
        let reply = http.refuse(Endpoint::Userinfo, rejection);
        let reason = rejection.reason();
        let body = json!({"error": error, "error_description": reason});
        answers(&reply, status, &body);
        let challenge = reply
            .headers
            .iter()
            .find(|(name, _)| *name == "www-authenticate");
        let (_, challenge) = challenge.unwrap();
        assert_eq!(*challenge, format!("Bearer error=\"{error}\""));
    }
}

#[test]
fn a_fault_of_the_provider_is_never_a_bad_token() {
    for shape in [Shape::Dovecot, Shape::Rfc] {
        for endpoint in [
            Endpoint::Userinfo,
            Endpoint::Introspection,
            Endpoint::Tokeninfo,
        ] {
            let reply = http(shape).refuse(endpoint, AWAY);
            assert_eq!(reply.status, 503);
            assert!(reply.headers.contains(&("retry-after", "5")));
            assert!(!reply.body.contains("nobody"), "{}", reply.body);
        }
    }
}

#[test]
fn nothing_that_is_printed_holds_a_token_or_a_secret() {
    let http = guarded();
    let request = get(
        "/introspect?token=t0ken&client_id=rs&client_secret=s%3acr%26t",
        &[],
    );
    let question = http.read(&request).unwrap();
    let printed = format!("{request:?} {question:?} {http:?}");
    for secret in ["t0ken", "s:cr", "116, 48", "nobody-"] {
        assert!(!printed.contains(secret), "{printed}");
    }
}
