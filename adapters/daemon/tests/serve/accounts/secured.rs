//! Who may push accounts beside whoever knows a secret: clients that a provider's tokens name.

use super::*;

/// Clients of the provider may push, by tokens for `scim` alone.
const CLIENTS: &str =
    "[idp]\ntoken_audience = \"scim\"\ntoken_subjects = [\"pusher\", \"other-pusher\"]\n";

/// Asks for users with this token.
fn status(daemon: &Daemon, source: &str, token: &str) -> u16 {
    let head = format!(
        "GET /scim/{source}/v2/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
    );
    ask(&daemon.scim, &head, "").status
}

/// A token of the provider's with these claims.
fn token(daemon: &Daemon, changes: &Value) -> String {
    let mut claims = json!({
        "iss": "https://id.example.com", "sub": "pusher", "aud": "scim", "exp": now() + 600,
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    daemon.issuer.sign("ES256", &claims)
}

#[test]
fn a_client_that_the_source_names_pushes_with_a_token_of_its_provider() {
    let mut daemon = Daemon::start_in(TempDir::new().unwrap(), CLIENTS);
    let token = token(&daemon, &json!({}));
    assert_eq!(status(&daemon, "idp", &token), 200);
    let body = json!({"schemas": [USER], "userName": "alice@example.com"}).to_string();
    let head = format!(
        "POST /scim/idp/v2/Users HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\
         Authorization: Bearer {token}\r\nContent-Type: application/scim+json\r\n",
        body.len()
    );
    ask(&daemon.scim, &head, &body).expect(201);
    let event = daemon.serving.wait_for("account changed");
    assert_eq!(event["actor"], "pusher", "{event}");
    // Secrets are good beside it.
    assert_eq!(daemon.source("idp").get("/Users").status, 200);
}

#[test]
fn a_mail_user_s_token_never_opens_scim() {
    let daemon = Daemon::start_in(TempDir::new().unwrap(), CLIENTS);
    let alice = json!({"aud": "mail", "sub": "s-1", "email": "alice@example.com"});
    for changes in [
        alice.clone(),
        json!({"aud": "mail"}),
        json!({"sub": "s-1"}),
        // A token for both is one that a mail user may hold.
        json!({"aud": ["mail", "scim"], "sub": "s-1"}),
        json!({"sub": "PUSHER"}),
        json!({"aud": "SCIM"}),
        json!({"exp": 1}),
        json!({"iss": "https://other.example.com"}),
        json!({"token_use": "id"}),
        json!({"sub": null}),
    ] {
        let token = token(&daemon, &changes);
        assert_eq!(status(&daemon, "idp", &token), 401, "{changes}");
    }
    let good = token(&daemon, &json!({}));
    assert_eq!(status(&daemon, "idp", &format!("{good}A")), 401);
    // Nor does it open another source.
    assert_eq!(status(&daemon, "other", &good), 401);
    // And SCIM's token opens no mailbox.
    let (answer, _) = daemon.log_in(
        "alice@example.com",
        &json!({"aud": "scim", "sub": "pusher"}),
    );
    assert!(answer.starts_with("FAIL\t1"), "{answer}");
    assert_eq!(status(&daemon, "idp", &good), 200);
}
