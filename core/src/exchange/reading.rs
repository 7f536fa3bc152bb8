//! What an answer means, by its status first: a 4xx never vouches for anyone, whatever its body says.

use crate::{
    introspection::{Answer, Endpoints, Mode, Question},
    policy::Violation,
    rejection::Rejection,
    wire::json::{Object, Text, Value},
};

/// What an answer says about the token.
pub(super) enum Reading<'a> {
    /// The endpoint vouches for it, in these words.
    Vouched(Object<'a>),
    /// The endpoint has signed what it says, which is still to be verified.
    Signed(&'a str),
    /// The endpoint does not judge tokens of this kind (RFC 7009 section 2.2.1), such as the provider's JWTs.
    UnsupportedTokenType,
}

/// Reads `answer` to `question`.
pub(super) fn read<'a>(
    question: Question,
    endpoints: &Endpoints<'_>,
    answer: &Answer<'a>,
) -> Result<Reading<'a>, Rejection> {
    match answer.status {
        200..=299 => read_vouching(question, answer),
        400..=499 => read_refusal(question, endpoints, answer),
        _ => Err(Rejection::ProviderUnavailable),
    }
}

/// An object of an introspection answer that says so vouches; of the others any object does that does not
/// deny it.
pub(super) fn check_active(question: Question, object: Object<'_>) -> Result<(), Rejection> {
    let [active, error, ok] = members(object, ["active", "error", "ok"])?;
    match question {
        Question::Grant => Ok(()),
        Question::Tokeninfo | Question::Introspection(Mode::Auth) => match active {
            None | Some(Value::Bool(true)) => check_error(error, ok),
            Some(Value::String(text)) if text == *"true" => check_error(error, ok),
            Some(_) => Err(Rejection::TokenRefused),
        },
        Question::Introspection(Mode::Get | Mode::Post) => match active {
            Some(Value::Bool(true)) => Ok(()),
            Some(Value::Bool(false)) => Err(Rejection::TokenRefused),
            // RFC 7662 section 2.2: required, a boolean.
            _ => Err(Rejection::UnusableAnswer),
        },
    }
}

/// Slack, mail.ru and Facebook answer 200 whatever comes of a token, and name the error in the body: it means
/// what 400 means, unless it says otherwise.
fn check_error(error: Option<Value<'_>>, ok: Option<Value<'_>>) -> Result<(), Rejection> {
    let is_any_of = |text: Text<'_>, names: &[&str]| names.iter().any(|name| text == **name);
    Err(match error {
        Some(Value::String(text)) if text != *"" => {
            if is_any_of(text, &SCOPE_ERRORS) {
                Violation::InsufficientScope.into()
            } else if is_any_of(text, &PROVIDER_ERRORS) {
                Rejection::UnusableAnswer
            } else {
                Rejection::TokenRefused
            }
        }
        Some(Value::Object(object)) => match member(object, "code")? {
            Some(Value::Number(code)) if FACEBOOK_ERRORS.contains(&code.as_str()) => {
                Rejection::UnusableAnswer
            }
            _ => Rejection::TokenRefused,
        },
        Some(Value::Bool(true) | Value::Array(_)) => Rejection::TokenRefused,
        Some(Value::Number(code)) if code.as_str() != "0" => Rejection::TokenRefused,
        _ if matches!(ok, Some(Value::Bool(false))) => Rejection::UnusableAnswer,
        _ => return Ok(()),
    })
}

/// The token lacks a scope.
const SCOPE_ERRORS: [&str; 2] = [
    "insufficient_scope", // RFC 6750 section 3.1
    "missing_scope",      // Slack
];

/// The provider cannot answer now.
const PROVIDER_ERRORS: [&str; 9] = [
    "server_error",            // RFC 6749 section 4.1.2.1
    "temporarily_unavailable", // ..
    "slow_down",               // RFC 8628 section 3.5
    "ratelimited",             // Slack, from here on
    "rate_limited",            // ..
    "internal_error",          // ..
    "fatal_error",             // ..
    "service_unavailable",     // ..
    "request_timeout",         // ..
];

/// Facebook's "Handling Errors": downtime and throttling.
const FACEBOOK_ERRORS: [&str; 5] = ["1", "2", "4", "17", "341"];

fn read_vouching<'a>(question: Question, answer: &Answer<'a>) -> Result<Reading<'a>, Rejection> {
    let is = |media_type: &str| answer.content_type.eq_ignore_ascii_case(media_type);
    if is("application/token-introspection+jwt") || is("application/jwt") {
        let body = core::str::from_utf8(answer.body).map_err(|_| Rejection::UnusableAnswer)?;
        return Ok(Reading::Signed(body.trim()));
    }
    if !is_json(answer.content_type) {
        return Err(Rejection::UnusableAnswer);
    }
    let object = Object::parse(answer.body).map_err(|_| Rejection::UnusableAnswer)?;
    check_active(question, object)?;
    Ok(Reading::Vouched(object))
}

fn read_refusal<'a>(
    question: Question,
    endpoints: &Endpoints<'_>,
    answer: &Answer<'_>,
) -> Result<Reading<'a>, Rejection> {
    let error = |name: &str| says_error(answer, name);
    Err(match (question, answer.status) {
        (Question::Tokeninfo | Question::Introspection(Mode::Auth), 400 | 401) => {
            Rejection::TokenRefused
        }
        (Question::Introspection(Mode::Auth), 403) if error("insufficient_scope") => {
            Violation::InsufficientScope.into()
        }
        (Question::Introspection(Mode::Get | Mode::Post), 400)
            if error("unsupported_token_type") =>
        {
            return Ok(Reading::UnsupportedTokenType);
        }
        (Question::Introspection(Mode::Get | Mode::Post), 401 | 403) => {
            if endpoints.unauthorized_is_invalid_token {
                Rejection::TokenRefused
            } else {
                Rejection::ClientRefused
            }
        }
        _ => Rejection::ProviderUnavailable,
    })
}

/// Whether an error is named in the body (RFC 6749 section 5.2) or in the challenge (RFC 6750 section 3).
pub(super) fn says_error(answer: &Answer<'_>, name: &str) -> bool {
    let object = Object::parse(answer.body).ok();
    let error = object.and_then(|object| member(object, "error").ok().flatten());
    if let Some(Value::String(error)) = error {
        return error == *name;
    }
    let mut parts = answer.www_authenticate.split([' ', ',', '"', '=']);
    parts.any(|part| part == name)
}

/// The member of that name, unless it is `null`.
pub(super) fn member<'a>(object: Object<'a>, wanted: &str) -> Result<Option<Value<'a>>, Rejection> {
    let [found] = members(object, [wanted])?;
    Ok(found)
}

/// The members of those names, each unless it is `null`.
pub(super) fn members<'a, const N: usize>(
    object: Object<'a>,
    wanted: [&str; N],
) -> Result<[Option<Value<'a>>; N], Rejection> {
    let mut found = [None; N];
    for member in object.members() {
        let (name, value) = member.map_err(|_| Rejection::UnusableAnswer)?;
        for (wanted, place) in wanted.iter().zip(&mut found) {
            if name == **wanted {
                *place = Some(value).filter(|value| !matches!(value, Value::Null));
            }
        }
    }
    Ok(found)
}

/// JSON by its name (RFC 8259 section 11, RFC 6839 section 3.1), or without any.
pub(super) fn is_json(media_type: &str) -> bool {
    let (_, subtype) = media_type.split_once('/').unwrap_or_default();
    let suffix = subtype.rsplit('+').next().unwrap_or_default();
    media_type.is_empty() || suffix.eq_ignore_ascii_case("json")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::introspection::{About, Client, ClientPlace};

    const ENDPOINTS: Endpoints<'_> = Endpoints {
        tokeninfo: None,
        introspection: None,
        mode: Mode::Post,
        force_introspection: false,
        about: Some(About::EveryToken),
        grant: None,
        client: Some(Client {
            id: "id",
            secret: "secret",
            place: ClientPlace::Basic,
        }),
        allow_missing_audience: false,
        unauthorized_is_invalid_token: false,
        signed_answers: false,
    };

    fn outcome(question: Question, status: u16, content_type: &str, body: &str) -> &'static str {
        let answer = Answer {
            status,
            content_type,
            www_authenticate: "",
            body: body.as_bytes(),
        };
        match read(question, &ENDPOINTS, &answer) {
            Ok(Reading::Vouched(_)) => "vouched",
            Ok(Reading::Signed(_)) => "signed",
            Ok(Reading::UnsupportedTokenType) => "unsupported_token_type",
            Err(rejection) => rejection.code(),
        }
    }

    const TOKENINFO: Question = Question::Tokeninfo;
    const AUTH: Question = Question::Introspection(Mode::Auth);
    const POST: Question = Question::Introspection(Mode::Post);
    const JSON: &str = "application/json";

    #[test]
    fn a_status_means_what_the_table_says() {
        const GOOD: &str = r#"{"active":true,"email":"a@b"}"#;
        let table = [
            (200, ["vouched", "vouched", "vouched"]),
            (301, ["provider_unavailable"; 3]),
            (
                400,
                ["token_refused", "token_refused", "provider_unavailable"],
            ),
            (401, ["token_refused", "token_refused", "client_refused"]),
            (
                403,
                [
                    "provider_unavailable",
                    "provider_unavailable",
                    "client_refused",
                ],
            ),
            (404, ["provider_unavailable"; 3]),
            (429, ["provider_unavailable"; 3]),
            (500, ["provider_unavailable"; 3]),
            (503, ["provider_unavailable"; 3]),
        ];
        for (status, expected) in table {
            let questions = [TOKENINFO, AUTH, POST];
            let outcomes = questions.map(|question| outcome(question, status, JSON, GOOD));
            assert_eq!(outcomes, expected, "{status}");
        }
    }

    #[test]
    fn only_active_true_vouches_at_introspection() {
        for (body, expected) in [
            (r#"{"active":true}"#, "vouched"),
            (r#"{"active":false}"#, "token_refused"),
            (r#"{"active":"true"}"#, "unusable_answer"),
            (r#"{"active":1}"#, "unusable_answer"),
            (r#"{"active":true,"active":false}"#, "unusable_answer"),
            (r"{}", "unusable_answer"),
            ("", "unusable_answer"),
            ("[]", "unusable_answer"),
            (r#"{"active":true"#, "unusable_answer"),
        ] {
            assert_eq!(outcome(POST, 200, JSON, body), expected, "{body}");
        }
        assert_eq!(outcome(AUTH, 200, JSON, "{}"), "vouched");
    }

    #[test]
    fn an_error_vouches_for_nobody_whatever_the_status() {
        for (body, expected) in [
            (r#"{"error":"invalid_token"}"#, "token_refused"),
            (r#"{"ok":false,"error":"token_revoked"}"#, "token_refused"),
            (
                r#"{"error":"token not found","error_code":6,"email":"a@b"}"#,
                "token_refused",
            ),
            (
                r#"{"error":{"type":"OAuthException","code":190}}"#,
                "token_refused",
            ),
            (r#"{"error":["invalid_token"],"sub":"s"}"#, "token_refused"),
            (r#"{"error":true,"sub":"s"}"#, "token_refused"),
            (r#"{"error":6,"sub":"s"}"#, "token_refused"),
            (r#"{"error":"insufficient_scope"}"#, "insufficient_scope"),
            (
                r#"{"ok":false,"error":"missing_scope"}"#,
                "insufficient_scope",
            ),
            // The provider's own faults.
            (r#"{"error":"server_error"}"#, "unusable_answer"),
            (r#"{"error":"temporarily_unavailable"}"#, "unusable_answer"),
            (r#"{"ok":false,"error":"ratelimited"}"#, "unusable_answer"),
            (
                r#"{"error":{"type":"OAuthException","code":2}}"#,
                "unusable_answer",
            ),
            (r#"{"ok":false}"#, "unusable_answer"),
            (r#"{"error":"x","error":null}"#, "unusable_answer"),
            // Nothing is wrong.
            (r#"{"ok":true,"error":null,"email":"a@b"}"#, "vouched"),
            (r#"{"error":false,"email":"a@b"}"#, "vouched"),
            (r#"{"error":"","email":"a@b"}"#, "vouched"),
            (r#"{"error":0,"email":"a@b"}"#, "vouched"),
        ] {
            for question in [TOKENINFO, AUTH] {
                assert_eq!(outcome(question, 200, JSON, body), expected, "{body}");
            }
        }
        // Introspection says so by `active`.
        let inactive = r#"{"active":false,"error":"server_error"}"#;
        assert_eq!(outcome(POST, 200, JSON, inactive), "token_refused");
        let error = r#"{"error":"invalid_token"}"#;
        assert_eq!(outcome(POST, 200, JSON, error), "unusable_answer");
        let active = r#"{"active":true,"error":"none"}"#;
        assert_eq!(outcome(POST, 200, JSON, active), "vouched");
    }

    #[test]
    fn an_answer_says_that_it_is_json() {
        for media_type in ["", "application/json", "Application/JSON", "a/b+json"] {
            assert_eq!(outcome(AUTH, 200, media_type, "{}"), "vouched");
        }
        for media_type in ["text/html", "text/plain", "json", "application/jsonp"] {
            assert_eq!(outcome(AUTH, 200, media_type, "{}"), "unusable_answer");
        }
        assert_eq!(outcome(AUTH, 200, "application/jwt", "a.b.c"), "signed");
    }

    #[test]
    fn errors_are_told_apart_by_their_names() {
        let unsupported = r#"{"error":"unsupported_token_type"}"#;
        assert_eq!(
            outcome(POST, 400, JSON, unsupported),
            "unsupported_token_type"
        );
        assert_eq!(outcome(AUTH, 400, JSON, unsupported), "token_refused");
        let scope = r#"{"error":"insufficient_scope"}"#;
        assert_eq!(outcome(AUTH, 403, JSON, scope), "insufficient_scope");
        assert_eq!(outcome(POST, 403, JSON, scope), "client_refused");
        let answer = Answer {
            status: 403,
            content_type: "",
            www_authenticate: r#"Bearer realm="x", error="insufficient_scope""#,
            body: b"",
        };
        assert!(says_error(&answer, "insufficient_scope"));
        assert!(!says_error(&answer, "insufficient"));
    }
}
