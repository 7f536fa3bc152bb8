//! What Dovecot's mail processes hear of accounts.

use super::*;

const MAIL: &str = "urn:gatepost:params:scim:schemas:extension:mail:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

#[test]
fn an_account_is_a_user_with_its_quota_and_its_groups() {
    let daemon = Daemon::start();
    let mut master = daemon.master();
    let before = master.ask("USER\t1\talice@example.com\tservice=lmtp\n");
    assert!(before.starts_with("FAIL\t1"), "{before}");
    let idp = daemon.source("idp");
    let user = json!({
        "schemas": [USER, MAIL], "userName": "Alice@example.com", "emails": [{"value": "sales@example.com"}],
        MAIL: {"quota": 1_073_741_824},
    });
    let alice = idp.push("POST", "/Users", &user).expect(201);
    let id = alice["id"].as_str().unwrap();
    for name in ["Staff", "a,admins", "Crew"] {
        let group = json!({"schemas": [GROUP], "displayName": name, "members": [{"value": id}]});
        idp.push("POST", "/Groups", &group).expect(201);
    }
    let fields = format!(
        "alice@example.com\tuid=5000\tgid=5001\thome=/var/vmail/{id}\tquota_rule=*:bytes=1073741824\t\
         quota_storage_size=1073741824B\tacl_groups=Crew,Staff"
    );
    for (number, name) in ["alice@example.com", "ALICE@example.com"]
        .into_iter()
        .enumerate()
    {
        let number = number + 2;
        assert_eq!(
            master.ask(format!("USER\t{number}\t{name}\tservice=lmtp\n")),
            format!("USER\t{number}\t{fields}")
        );
    }
    // Another address is no user, and what nobody has is nobody.
    for (number, name) in ["sales@example.com", "*", "bob@example.com"]
        .into_iter()
        .enumerate()
    {
        assert_eq!(
            master.ask(format!("USER\t9{number}\t{name}\tservice=lmtp\n")),
            format!("NOTFOUND\t9{number}")
        );
    }
    assert_eq!(
        master.ask("PASS\t7\talice@example.com\tservice=doveadm\n"),
        "NOTFOUND\t7"
    );
}

#[test]
fn a_list_tells_accounts_and_users_of_a_file_each_once() {
    let root = TempDir::new().unwrap();
    fs::write(
        root.path().join("users"),
        "alice@example.com:x\ncarol@example.net:x\n",
    )
    .unwrap();
    let users = format!(
        "[users]\npasswd_file = \"{}/users\"\nuid = 7",
        root.path().display()
    );
    let daemon = Daemon::start_in(root, &users);
    let idp = daemon.source("idp");
    idp.create("alice@example.com");
    idp.create("bob@example.com");
    let mut master = daemon.master();
    let mut list = |mask: &str| {
        let mut line = master.ask(format!("LIST\t1\tuser={mask}\n"));
        let mut names = Vec::new();
        while let Some(name) = line.strip_prefix("LIST\t1\t") {
            names.push(name.to_owned());
            line = master.line();
        }
        assert_eq!(line, "DONE\t1");
        names
    };
    assert_eq!(
        list("*"),
        ["alice@example.com", "bob@example.com", "carol@example.net"]
    );
    assert_eq!(list("b?b@*"), ["bob@example.com"]);
    assert_eq!(list("*@example.net"), ["carol@example.net"]);
    assert_eq!(list("nobody"), Vec::<String>::new());
    let mut master = daemon.master();
    assert_eq!(
        master.ask("USER\t2\tcarol@example.net\tservice=x\n"),
        "USER\t2\tcarol@example.net\tuid=7"
    );
    assert!(
        master
            .ask("USER\t3\talice@example.com\tservice=x\n")
            .contains("\tuid=5000\t")
    );
}

#[test]
fn as_long_as_nobody_is_known_looking_up_fails_for_now() {
    let root = TempDir::new().unwrap();
    fs::write(root.path().join("accounts.sqlite"), "x".repeat(10_000)).unwrap();
    let daemon = Daemon::start_in(root, "");
    let mut master = daemon.master();
    assert_eq!(
        master.ask("USER\t1\talice@example.com\tservice=lmtp\n"),
        "FAIL\t1"
    );
    assert_eq!(master.ask("LIST\t2\tuser=*\n"), "DONE\t2\tfail");
}
