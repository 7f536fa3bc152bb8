//! docker-mailserver's files, written by the real command.

use super::*;

#[test]
fn docker_mailserver_s_files_follow_the_accounts_and_keep_what_an_administrator_wrote() {
    let root = TempDir::new().unwrap();
    let directory = root.path().join("config");
    fs::create_dir(&directory).unwrap();
    let path = directory.join("postfix-accounts.cf");
    fs::write(&path, "postmaster@example.com|{PLAIN}x\n").unwrap();
    let line = format!("docker_mailserver = \"{}\"", directory.display());
    let mut daemon = Daemon::start_in(root, &line);
    let alice = json!({
        "schemas": [USER], "userName": "alice@example.com", "externalId": "s-1",
        "emails": [{"value": "sales@example.com"}],
    });
    let pushed = daemon.source("idp").push("POST", "/Users", &alice);
    let id = pushed.expect(201)["id"].as_str().unwrap().to_owned();
    let event = daemon
        .serving
        .wait_for("files of docker-mailserver written");
    assert_eq!(event["files"], "postfix-accounts.cf postfix-virtual.cf");
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(lines[0], "postmaster@example.com|{PLAIN}x");
    assert!(
        lines[1].starts_with("alice@example.com|{SHA512-CRYPT}$6$"),
        "{text}"
    );
    let aliases = fs::read_to_string(directory.join("postfix-virtual.cf")).unwrap();
    assert!(
        aliases.contains("\nsales@example.com alice@example.com\n"),
        "{aliases}"
    );
    daemon
        .source("idp")
        .send("DELETE", &format!("/Users/{id}"), "", "")
        .expect(204);
    daemon
        .serving
        .wait_for("files of docker-mailserver written");
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text, "postmaster@example.com|{PLAIN}x\n");
}
