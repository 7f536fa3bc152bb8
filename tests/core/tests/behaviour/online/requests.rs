//! What is asked, to the byte.

use super::*;

fn asked(endpoints: Endpoints<'_>) -> Vec<Asked> {
    let policy = policy();
    let providers = [Provider {
        policy: &policy,
        endpoints: Some(endpoints),
    }];
    let mut partial = good();
    partial.as_object_mut().expect("an object").remove("email");
    let first = if endpoints.tokeninfo.is_some() {
        vec![ok(&partial), ok(&good())]
    } else {
        vec![ok(&good())]
    };
    let (outcome, asked) = Setup::new(&providers).run(&first);
    assert_eq!(outcome.code(), Ok(ALICE));
    asked
}

fn request(method: &'static str, url: &str, authorization: &str, form: &str) -> Asked {
    Asked {
        provider: 0,
        method,
        url: url.to_owned(),
        authorization: authorization.to_owned(),
        accept: "application/json",
        form: form.to_owned(),
    }
}

// "rs:s%3Acret": both parts are encoded before they are joined (RFC 6749 section 2.3.1).
const BASIC: &str = "Basic cnM6cyUzQWNyZXQ=";
const URL: &str = "https://id.example.com/ask";

#[test]
fn introspection_posts_a_form() {
    assert_eq!(
        asked(endpoints(Mode::Post)),
        [request("POST", URL, BASIC, "token=opaque%2F%2Btoken~1%3D")]
    );
    let mut parameters = endpoints(Mode::Post);
    parameters.client = parameters.client.map(|client| Client {
        place: ClientPlace::Parameters,
        ..client
    });
    let form = "token=opaque%2F%2Btoken~1%3D&client_id=rs&client_secret=s%3Acret";
    assert_eq!(asked(parameters), [request("POST", URL, "", form)]);
    let mut anonymous = endpoints(Mode::Post);
    anonymous.client = None;
    let form = "token=opaque%2F%2Btoken~1%3D";
    assert_eq!(asked(anonymous), [request("POST", URL, "", form)]);
}

#[test]
fn introspection_by_get_appends_the_token() {
    let mut get = endpoints(Mode::Get);
    get.introspection = Some("https://id.example.com/ask?token=");
    let url = "https://id.example.com/ask?token=opaque%2F%2Btoken~1%3D";
    assert_eq!(asked(get), [request("GET", url, BASIC, "")]);
    get.client = get.client.map(|client| Client {
        place: ClientPlace::Parameters,
        ..client
    });
    let url = format!("{url}&client_id=rs&client_secret=s%3Acret");
    assert_eq!(asked(get), [request("GET", &url, "", "")]);
}

#[test]
fn userinfo_is_shown_the_token_as_it_is() {
    let bearer = "Bearer opaque/+token~1=";
    let expected = [request("GET", URL, bearer, "")];
    assert_eq!(asked(endpoints(Mode::Auth)), expected);
}

#[test]
fn tokeninfo_comes_first_and_is_a_bearer_in_mode_auth_only() {
    const TOKENINFO: &str = "https://id.example.com/info?access_token=";
    let url = format!("{TOKENINFO}opaque%2F%2Btoken~1%3D");
    let mut both = endpoints(Mode::Post);
    both.tokeninfo = Some(TOKENINFO);
    let asked_both = asked(both);
    assert_eq!(asked_both[0], request("GET", &url, "", ""));
    let form = "token=opaque%2F%2Btoken~1%3D";
    assert_eq!(asked_both[1], request("POST", URL, BASIC, form));
    both.mode = Mode::Auth;
    let bearer = "Bearer opaque/+token~1=";
    assert_eq!(asked(both)[0], request("GET", &url, bearer, ""));
}

#[test]
fn signed_answers_are_asked_for_where_they_are_wanted() {
    let mut signed = endpoints(Mode::Post);
    signed.signed_answers = true;
    assert_eq!(
        asked(signed)[0].accept,
        "application/token-introspection+jwt"
    );
}
