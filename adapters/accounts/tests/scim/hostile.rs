//! Requests that nobody's client sends, and somebody might.

use gatepost_accounts::id::Id;
use gatepost_accounts::scim::limits::{MAX_FILTER_DEPTH, MAX_FILTER_TERMS, MAX_PAGE_BYTES};
use serde_json::{Value, json};

use crate::service::{ENTERPRISE, GROUP, PATCH_OP, Service, USER};

#[test]
fn filters_are_bounded() {
    let mut service = Service::new();
    let deep = |depth: usize| format!("{}userName pr{}", "(".repeat(depth), ")".repeat(depth));
    service
        .filter("/Users", &deep(MAX_FILTER_DEPTH))
        .expect(200);
    service
        .filter("/Users", &deep(MAX_FILTER_DEPTH + 1))
        .expect_error(400, "invalidFilter");
    service
        .filter("/Users", &"(".repeat(4_000))
        .expect_error(400, "invalidFilter");
    let nots = format!("{}userName pr{}", "not (".repeat(500), ")".repeat(500));
    service
        .filter("/Users", &nots)
        .expect_error(400, "invalidFilter");
    let wide = |terms: usize| vec!["a pr"; terms].join(" or ");
    service
        .filter("/Users", &wide(MAX_FILTER_TERMS))
        .expect(200);
    service
        .filter("/Users", &wide(MAX_FILTER_TERMS + 1))
        .expect_error(400, "invalidFilter");
    let long = format!("userName eq \"{}\"", "a".repeat(5_000));
    service
        .filter("/Users", &long)
        .expect_error(400, "invalidFilter");
    service
        .get(&format!("/Users?filter={}", "a".repeat(20_000)))
        .expect_error(414, "");
    let id = service.user("alice");
    let path = format!("emails[{}value pr{}]", "(".repeat(200), ")".repeat(200));
    service
        .patch(
            &format!("/Users/{id}"),
            json!([{"op": "remove", "path": path}]),
        )
        .expect_error(400, "invalidFilter");
}

#[test]
fn bodies_are_bounded() {
    let mut service = Service::new();
    let id = service.user("alice");
    let url = format!("/Users/{id}");
    let large = vec![b'x'; 10 << 20];
    service
        .send_bytes("POST", "/Users", &large)
        .expect_error(413, "");
    let text = json!({"userName": "bob", "title": "x".repeat(3 << 20)}).to_string();
    service
        .send_bytes("POST", "/Users", text.as_bytes())
        .expect_error(400, "invalidValue");
    let fields = ["title", "nickName", "locale"];
    let most: Value = fields
        .iter()
        .map(|name| ((*name).to_owned(), json!("x".repeat(30_000))))
        .collect();
    let mut most = most;
    most["userName"] = json!("bob");
    service.send("POST", "/Users", most).expect_error(413, "");
    let deep = format!(
        "{{\"userName\":\"bob\",\"x\":{}{}}}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    service
        .send_bytes("POST", "/Users", deep.as_bytes())
        .expect_error(400, "invalidSyntax");
    let operation = "{\"op\":\"add\",\"path\":\"title\",\"value\":\"x\"},";
    let operations = format!("{{\"Operations\":[{}{{}}]}}", operation.repeat(100_000));
    service
        .send_bytes("PATCH", &url, operations.as_bytes())
        .expect_error(413, "");
    let operation = "{\"op\":\"add\"},";
    let operations = format!("{{\"Operations\":[{}{{}}]}}", operation.repeat(2_000));
    service
        .send_bytes("PATCH", &url, operations.as_bytes())
        .expect_error(413, "");
    let members: Vec<_> = (0..100_000).map(|_| json!({"value": id})).collect();
    service
        .send(
            "POST",
            "/Groups",
            json!({"displayName": "g", "members": members}),
        )
        .expect_error(413, "");
    let roles: Vec<_> = (0..501).map(|n| json!({"value": n.to_string()})).collect();
    service
        .send("POST", "/Users", json!({"userName": "bob", "roles": roles}))
        .expect_error(400, "invalidValue");
}

#[test]
fn a_name_twice_in_one_object_is_refused() {
    let mut service = Service::new();
    let url = format!("/Users/{}", service.user("alice"));
    for body in [
        r#"{"userName":"bob","userName":"eve"}"#,
        r#"{"userName":"bob","USERNAME":"eve"}"#,
        r#"{"userName":"bob","name":{"givenName":"a","givenname":"b"}}"#,
        r#"{"userName":"bob","\u0075serName":"eve"}"#,
    ] {
        service
            .send_bytes("POST", "/Users", body.as_bytes())
            .expect_error(400, "invalidSyntax");
    }
    let body = format!(
        r#"{{"schemas":["{PATCH_OP}"],"Operations":[{{"op":"add","OP":"remove","path":"title","value":"x"}}]}}"#
    );
    service
        .send_bytes("PATCH", &url, body.as_bytes())
        .expect_error(400, "invalidSyntax");
}

#[test]
fn an_attribute_by_two_names_in_one_object_is_refused() {
    let mut service = Service::new();
    let url = format!("/Users/{}", service.user("alice"));
    let by_urn = |name: &str| format!("{USER}:{name}");
    for (one, two) in [
        ("active", &*by_urn("active")),
        ("Active", &by_urn("ACTIVE")),
        ("userName", &by_urn("userName")),
        ("password", &by_urn("password")),
        ("name.givenName", &by_urn("name.givenName")),
        ("name", "name.givenName"),
        (&by_urn("name"), "name.givenName"),
        (
            &format!("{ENTERPRISE}:manager"),
            &format!("{ENTERPRISE}:manager.value"),
        ),
    ] {
        let value = json!({(one): null, (two): null});
        let body = service
            .patch(&url, json!([{"op": "replace", "value": value}]))
            .expect_error(400, "invalidSyntax")
            .body;
        assert!(body["detail"].as_str().unwrap().contains("twice"), "{body}");
        for (method, url) in [("POST", "/Users"), ("PUT", &*url)] {
            service
                .send(method, url, value.clone())
                .expect_error(400, "invalidSyntax");
        }
    }
    let extension = json!({(ENTERPRISE): {"manager": {"value": "m"}}, (format!("{ENTERPRISE}:manager.value")): "n"});
    service
        .patch(&url, json!([{"op": "replace", "value": extension}]))
        .expect_error(400, "invalidSyntax");
    service
        .send("PUT", &url, extension)
        .expect_error(400, "invalidSyntax");
    let members = format!("{GROUP}:members");
    let group = json!({"displayName": "staff", "members": [], (members): []});
    service
        .send("POST", "/Groups", group)
        .expect_error(400, "invalidSyntax");
    // Those that say different things are taken.
    let body = json!({
        "userName": "bob",
        "name.givenName": "B",
        (by_urn("name.familyName")): "S",
        (format!("{ENTERPRISE}:department")): "Mail",
        (format!("{ENTERPRISE}:manager.value")): "m",
    });
    let body = service.send("POST", "/Users", body).expect(201).body;
    assert_eq!(body["name"], json!({"givenName": "B", "familyName": "S"}));
    assert_eq!(
        body[ENTERPRISE],
        json!({"department": "Mail", "manager": {"value": "m"}})
    );
}

#[test]
fn a_part_of_which_value_nobody_knows_is_refused_by_its_name() {
    let mut service = Service::new();
    let url = format!("/Users/{}", service.user("alice"));
    for name in [
        "emails.value",
        "Emails.Type",
        &format!("{USER}:emails.value"),
        "emails[type eq \"work\"].value",
        "emails[type eq \"work\"]",
        "emails[",
        "colours[type eq \"eye\"].value",
    ] {
        let body = json!({"userName": "bob", (name): "bob@example.org"});
        for (method, url) in [("POST", "/Users"), ("PUT", &*url)] {
            let refused = service.send(method, url, body.clone());
            let refused = refused.expect_error(400, "invalidSyntax").body;
            let detail = refused["detail"].as_str().unwrap();
            assert!(detail.contains(&name.replace('"', "\\\"")), "{detail}");
        }
    }
    let group = json!({"displayName": "staff", "members.value": "x"});
    service
        .send("POST", "/Groups", group)
        .expect_error(400, "invalidSyntax");
}

#[test]
fn names_that_are_masks_paths_or_invisible_are_refused_everywhere() {
    let mut service = Service::new();
    let url = format!("/Users/{}", service.user("alice"));
    for name in [
        "*",
        "alice?",
        "*@example.org",
        "?@example.org",
        "../alice",
        "a/b@example.org",
        ".",
        "..",
        "...",
        "",
        "\u{202e}alice",
        "alice\u{200b}",
        "a\u{2066}b@example.org",
        "a\nb",
        "a\rb@example.org",
        "a\tb",
        " alice",
        "alice ",
        "a b@example.org",
        "\"a b\"@example.org",
        "a@b@example.org",
        "@example.org",
        ".a@example.org",
        "a\u{7f}",
        "\u{feff}alice",
        "alice\u{e0001}",
    ] {
        service
            .send("POST", "/Users", json!({"userName": name}))
            .expect_error(400, "invalidValue");
        let replace = json!([{"op": "replace", "path": "userName", "value": name}]);
        service
            .patch(&url, replace)
            .expect_error(400, "invalidValue");
        if name.contains('@') {
            let emails = json!({"userName": "bob", "emails": [{"value": name}]});
            service
                .send("POST", "/Users", emails)
                .expect_error(400, "invalidValue");
        }
    }
    for body in [
        r#"{"userName":"a\u0000b"}"#,
        r#"{"userName":"bob","title":"\u0000"}"#,
        r#"{"userName":"bob","\u0000":1}"#,
    ] {
        service
            .send_bytes("POST", "/Users", body.as_bytes())
            .expect_error(400, "invalidSyntax");
    }
    service
        .send(
            "POST",
            "/Users",
            json!({"userName": "bob", "externalId": "a\nb"}),
        )
        .expect_error(400, "invalidValue");
    service
        .send(
            "POST",
            "/Users",
            json!({"userName": "bob", "externalId": "a".repeat(513)}),
        )
        .expect_error(400, "invalidValue");
    for name in ["", "\u{202e}ffats", "a\nb", "a\u{2029}b"] {
        service
            .send("POST", "/Groups", json!({"displayName": name}))
            .expect_error(400, "invalidValue");
    }
    service.group("/staff/*", &[]);
    // Hebrew and Arabic names are names.
    service
        .send(
            "POST",
            "/Users",
            json!({"userName": "\u{5d0}\u{5dc}\u{5d9}\u{5e1}"}),
        )
        .expect(201);
    service
        .send(
            "POST",
            "/Users",
            json!({"userName": "\u{645}\u{631}\u{64a}\u{645}@example.org"}),
        )
        .expect(201);
}

#[test]
fn ids_of_others_and_of_nobody_are_not_found() {
    let mut service = Service::new();
    service.user("alice");
    for id in [
        "..",
        "%2e%2e%2f",
        "*",
        "%00",
        "%27%20or%201=1",
        "00000000-0000-0000-0000-00000000000A",
        "%ff",
        &"a".repeat(10_000),
        "%f0%9f%92%a9",
    ] {
        for method in ["GET", "DELETE"] {
            service
                .send(method, &format!("/Users/{id}"), Value::Null)
                .expect_error(404, "");
        }
        let patch = json!([{"op": "add", "path": "title", "value": "x"}]);
        service
            .patch(&format!("/Users/{id}"), patch)
            .expect_error(404, "");
    }
}

#[test]
fn what_is_not_json_is_refused() {
    let mut service = Service::new();
    for body in [
        &b""[..],
        b"{",
        b"null",
        b"[]",
        b"\"x\"",
        b"\xff\xfe{}",
        b"\xef\xbb\xbf{}",
        b"{\"userName\":\"a\"}{}",
        b"{\"userName\":NaN}",
        b"{'userName':'a'}",
    ] {
        service
            .send_bytes("POST", "/Users", body)
            .expect_error(400, "invalidSyntax");
    }
}

#[test]
fn what_an_error_quotes_is_short_and_printable_and_no_password() {
    let mut service = Service::new();
    let url = format!("/Users/{}", service.user("alice"));
    let long = "\u{1b}[31m".to_owned() + &"x".repeat(3_000);
    for reply in [
        service.filter("/Users", &long),
        service.patch(&url, json!([{"op": "add", "path": long, "value": 1}])),
        service.patch(&url, json!([{"op": long, "path": "title", "value": 1}])),
        service.send("POST", "/Users", json!({"userName": long})),
        service.get(&format!("/Users?count={long}")),
    ] {
        let detail = reply.body["detail"].as_str().unwrap().to_owned();
        assert!(
            reply.status == 400 && detail.len() < 400 && !detail.contains('\u{1b}'),
            "{detail}"
        );
    }
    for body in [
        json!({"schemas": [USER], "userName": "bob", "password": {"a": "hunter2"}}),
        json!({"schemas": [USER], "userName": "bob", "password": ["hunter2"]}),
        json!({"schemas": [USER], "userName": "*", "password": "hunter2"}),
    ] {
        let reply = service.send("POST", "/Users", body);
        assert!(
            !reply.body.to_string().contains("hunter2"),
            "{}",
            reply.body
        );
    }
    let set = json!([{"op": "replace", "path": "password", "value": "hunter2"}]);
    let reply = service.patch(&url, set).expect(200);
    assert!(reply.notes.is_empty());
}

#[test]
fn the_work_of_a_request_is_bounded() {
    let mut service = Service::new();
    let url = format!("/Users/{}", service.user("alice"));
    let roles: Vec<_> = (0..500).map(|n| json!({"value": n.to_string()})).collect();
    service
        .patch(
            &url,
            json!([{"op": "add", "path": "roles", "value": roles}]),
        )
        .expect(200);
    // Each of 500 compared with each of 500, many times over.
    let again = json!({"op": "add", "path": "roles", "value": roles});
    service.patch(&url, json!(vec![&again; 3])).expect(200);
    service
        .patch(&url, json!(vec![&again; 30]))
        .expect_error(413, "");
    let path = format!("roles[{}]", vec!["value eq \"x\""; 50].join(" or "));
    let remove = json!({"op": "remove", "path": path});
    service.patch(&url, json!(vec![&remove; 30])).expect(200);
    service
        .patch(&url, json!(vec![&remove; 100]))
        .expect_error(413, "");
}

#[test]
fn what_a_filter_looks_at_and_a_page_holds_is_bounded() {
    let mut service = Service::new();
    let title = "x".repeat(60_000);
    for number in 0..200 {
        let body = json!({"userName": format!("u{number}"), "title": title}).to_string();
        assert_eq!(
            service.answer("POST", "/Users", body.as_bytes()).status,
            201
        );
    }
    assert_eq!(
        service
            .answer("GET", "/Users?filter=title+co+%22y%22", b"")
            .status,
        200
    );
    let filter = ["title+co+%22y%22"; 10].join("+or+");
    let refused = service.answer("GET", &format!("/Users?filter={filter}"), b"");
    refused.expect_error(400, "tooMany");
    // The page ends early, and the next begins where it ended.
    let (mut start, mut pages) = (1, 0);
    while start <= 200 {
        let page = service
            .answer("GET", &format!("/Users?count=1000&startIndex={start}"), b"")
            .expect(200);
        assert_eq!(page.body["totalResults"], 200);
        start += page.body["itemsPerPage"].as_u64().unwrap();
        pages += 1;
    }
    assert_eq!((start, pages), (201, 2));
}

#[test]
fn what_a_filter_asks_for_of_each_resource_counts() {
    let mut service = Service::new();
    for number in 0..1_500 {
        let body = json!({"displayName": format!("group {number}")}).to_string();
        service
            .answer("POST", "/Groups", body.as_bytes())
            .expect(201);
    }
    let term = |number: u128| {
        let id = Id::from_bytes(number.to_be_bytes());
        format!("members.value+eq+%22{id}%22")
    };
    for (terms, status) in [(2, 200), (60, 400)] {
        let terms: Vec<_> = (0..terms).map(term).collect();
        let filter = format!("displayName+pr+and+({})", terms.join("+or+"));
        let reply = service.answer("GET", &format!("/Groups?filter={filter}"), b"");
        assert_eq!(reply.status, status, "{}", reply.body);
    }
}

#[test]
fn groups_of_users_count_in_a_page_and_in_what_a_filter_looks_at() {
    const USERS: usize = 60;
    let mut service = Service::new();
    let users = (0..USERS).map(|number| service.user(&format!("user{number}")));
    let users: Vec<_> = users.collect();
    let members: Vec<_> = users.iter().map(|id| json!({"value": id})).collect();
    for number in 0..1_000 {
        let name = format!("{number:0>250}");
        let body = json!({"displayName": name, "members": members}).to_string();
        service
            .answer("POST", "/Groups", body.as_bytes())
            .expect(201);
    }
    // All of them are 25 MB. The next page begins where one ended.
    let (mut seen, mut pages) = (Vec::new(), 0);
    while seen.len() < USERS {
        let url = format!("/Users?count=100&startIndex={}", seen.len() + 1);
        let page = service.answer("GET", &url, b"").expect(200).body;
        let length = page.to_string().len();
        assert!(length < MAX_PAGE_BYTES + 1_000, "{length}");
        assert_eq!(page["totalResults"], USERS);
        let resources = page["Resources"].as_array().unwrap();
        assert_eq!(page["itemsPerPage"], resources.len());
        assert!(!resources.is_empty());
        let ids = resources.iter().map(|one| one["id"].as_str().unwrap());
        seen.extend(ids.map(str::to_owned));
        pages += 1;
    }
    assert_eq!(seen, users);
    assert!(pages > 3, "{pages}");
    // Who asks for no groups has everybody on one page.
    let page = service.answer("GET", "/Users?excludedAttributes=groups", b"");
    assert_eq!(page.expect(200).body["itemsPerPage"], USERS);
    let term = "groups.display+eq+%22nobody%22";
    let filtered = service.answer("GET", &format!("/Users?filter={term}"), b"");
    assert_eq!(filtered.expect(200).body["totalResults"], 0);
    let filter = [term; 4].join("+or+");
    let refused = service.answer("GET", &format!("/Users?filter={filter}"), b"");
    refused.expect_error(400, "tooMany");
}
