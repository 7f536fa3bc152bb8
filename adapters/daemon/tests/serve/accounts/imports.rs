//! What files of other programs say of accounts, beside who they are.

use super::commands::{Done, gatepost};
use super::*;

fn import(root: &TempDir, format: &str, text: &[u8]) -> Done {
    let path = root.path().join("users");
    fs::write(&path, text).unwrap();
    let file = path.display().to_string();
    let words = ["import", &file, "--format", format, "--source", "local"];
    gatepost(root, "account", &words)
}

/// Whether an account may log in, and its quota.
fn shown(root: &TempDir, address: &str) -> (Value, Value) {
    let shown: Value =
        serde_json::from_str(&gatepost(root, "account", &["show", address]).good()).unwrap();
    let mail = &shown["urn:gatepost:params:scim:schemas:extension:mail:2.0:User"];
    (shown["active"].clone(), mail["quota"].clone())
}

#[test]
fn who_may_not_log_in_and_how_much_is_kept_is_taken_over() {
    let root = TempDir::new().unwrap();
    configure(&root, "");
    let lines = [
        "a@example.com:{PLAIN}s3cret:1:1::/h::nologin",
        "b@example.com:x:1:1::/h::nologin=y userdb_quota_rule=*:storage=5G userdb_mail=maildir:~/m",
        "c@example.com:x:1:1::/h::userdb_quota_rule=*:storage=100 userdb_quota_storage_size=102400B",
        "d@example.com:x:1:1::/h::userdb_quota_storage_size=2M",
        "e@example.com:x:1:1::/h::userdb_quota_rule=*:bytes=7",
        "f@example.com:x:1:1::/h::userdb_quota_rule=*:storage=0",
        // What an account has no word for.
        "g@example.com:x:1:1::/h::userdb_quota_rule=*:messages=5 allow_nets=10.0.0.0/8",
        "h@example.com:x:1:1::/h::userdb_quota_rule=*:storage=1M userdb_quota_storage_size=2M",
        "i@example.com:x:1:1::/h::userdb_quota_rule2=Trash:storage=+1M",
        "j@example.com:x:1:1::/h::userdb_quota_rule=*:storage=99999999999T",
    ];
    let done = import(&root, "passwd-file", lines.join("\n").as_bytes());
    let out = "10 added, 0 there already, 0 refused, 4 not as a whole\n";
    assert_eq!((done.code, &*done.out), (Some(0), out), "{}", done.told);
    let told: Vec<_> = done
        .told
        .lines()
        .filter(|line| line.contains("not taken over"))
        .collect();
    assert_eq!(
        told,
        [
            "line 7: g@example.com: added, but not taken over: userdb_quota_rule, allow_nets",
            "line 8: h@example.com: added, but not taken over: userdb_quota_storage_size",
            "line 9: i@example.com: added, but not taken over: userdb_quota_rule2",
            "line 10: j@example.com: added, but not taken over: userdb_quota_rule",
        ]
    );
    for (name, is_active, quota) in [
        ("a", false, Value::Null),
        ("b", false, json!(5_u64 << 30)),
        ("c", true, json!(100 << 10)),
        ("d", true, json!(2 << 20)),
        ("e", true, json!(7)),
        ("f", true, json!(0)),
        ("g", true, Value::Null),
        ("h", true, json!(1 << 20)),
    ] {
        let found = shown(&root, &format!("{name}@example.com"));
        assert_eq!(found, (json!(is_active), quota), "{name}");
    }
    let text = b"k@example.com|{X}y|nologin userdb_quota_rule=*:storage=1k\n";
    import(&root, "docker-mailserver", text).good();
    assert_eq!(shown(&root, "k@example.com"), (json!(false), json!(1024)));
}

#[test]
fn a_file_of_another_encoding_is_refused_whole() {
    let root = TempDir::new().unwrap();
    configure(&root, "");
    for (format, text) in [
        (
            "csv",
            &b"address,display_name\na@example.com,A\nb@example.com,Ren\xe9\n"[..],
        ),
        (
            "passwd-file",
            b"a@example.com:x\n#\nb@example.com:x:1:1:Ren\xe9:/h::\n",
        ),
        (
            "docker-mailserver",
            b"a@example.com|x\n\nren\xe9@example.com|x\n",
        ),
    ] {
        let done = import(&root, format, text);
        done.refused(
            1,
            "line 3 is not UTF-8, so nothing was added; convert the file, as with iconv -f",
        );
    }
    // Not even a database has been made.
    gatepost(&root, "account", &["list"]).refused(2, "accounts.sqlite is not there");
}

#[test]
fn an_alias_is_in_a_domain_of_the_source_as_its_account_is() {
    let root = TempDir::new().unwrap();
    configure(&root, "");
    let text = "address,aliases\na@example.com,a2@example.com x@example.org\nb@example.com,sales\n";
    let done = import(&root, "csv", text.as_bytes());
    assert_eq!(done.out, "0 added, 0 there already, 2 refused\n");
    for line in [
        "line 2: \"x@example.org\": no address in a domain of the source \"local\"",
        "line 3: \"sales\": no address in a domain of the source \"local\"",
    ] {
        assert!(done.told.contains(line), "{}", done.told);
    }
    let add = [
        "add",
        "a@example.com",
        "--source",
        "local",
        "--alias",
        "x@example.org",
    ];
    gatepost(&root, "account", &add).refused(1, "gives no addresses in that domain");
    assert_eq!(gatepost(&root, "account", &["list"]).good(), "");
}
