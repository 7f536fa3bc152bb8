//! A Dovecot of a few lines: whose password is `good` logs in, and whose name begins with `nobody` is nobody.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// One that runs until it is dropped.
pub(crate) struct Dovecot {
    shared: Arc<Shared>,
    sockets: [PathBuf; 2],
}

#[derive(Default)]
struct Shared {
    /// Every connection, to be cut off.
    streams: Mutex<Vec<UnixStream>>,
    /// Users by the process id, login id and cookie of their login.
    logins: Mutex<HashMap<[String; 3], String>>,
    /// What was said to it.
    heard: Mutex<Vec<String>>,
    connections: AtomicU32,
}

impl Dovecot {
    /// Listens at `dovecot/login` and `dovecot/master` in `directory`.
    pub(crate) fn start(directory: &Path) -> Self {
        let directory = directory.join("dovecot");
        fs::create_dir_all(&directory).unwrap();
        let shared = Arc::new(Shared::default());
        let sockets = ["login", "master"].map(|name| directory.join(name));
        let [login, master] = sockets
            .each_ref()
            .map(|path| UnixListener::bind(path).unwrap());
        serve(login, Arc::clone(&shared), Shared::login);
        serve(master, Arc::clone(&shared), Shared::master);
        Self { shared, sockets }
    }

    /// What was said to it, but for what connections begin with.
    pub(crate) fn heard(&self) -> Vec<String> {
        let heard = self.shared.heard.lock().unwrap();
        let is_told = |line: &&String| !line.starts_with("VERSION") && !line.starts_with("CPID");
        heard.iter().filter(is_told).cloned().collect()
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        for path in &self.sockets {
            fs::remove_file(path).unwrap();
        }
        for stream in self.shared.streams.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn serve(listener: UnixListener, shared: Arc<Shared>, speak: fn(&Shared, UnixStream)) {
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            shared
                .streams
                .lock()
                .unwrap()
                .push(stream.try_clone().unwrap());
            let shared = Arc::clone(&shared);
            thread::spawn(move || speak(&shared, stream));
        }
    });
}

impl Shared {
    fn login(&self, mut stream: UnixStream) {
        let number = self.connections.fetch_add(1, Ordering::Relaxed);
        let cookie = format!("{number:032x}");
        let greeting = format!(
            "VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tXOAUTH2\tplaintext\nMECH\tCRAM-MD5\tdictionary\n\
             SPID\t9\nCUID\t{number}\nCOOKIE\t{cookie}\nDONE\n"
        );
        let _ = stream.write_all(greeting.as_bytes());
        let mut pid = String::new();
        for line in BufReader::new(stream.try_clone().unwrap()).lines() {
            let Ok(line) = line else { return };
            self.heard.lock().unwrap().push(line.clone());
            let fields: Vec<&str> = line.split('\t').collect();
            let answer = match fields[..] {
                ["CPID", said] => {
                    said.clone_into(&mut pid);
                    continue;
                }
                ["AUTH", id, _, ref options @ ..] => {
                    let response = options.iter().find_map(|field| field.strip_prefix("resp="));
                    match response {
                        None => format!("CONT\t{id}\t\n"),
                        Some(response) => self.judge([&pid, id, &cookie], response),
                    }
                }
                ["CONT", id, response] => self.judge([&pid, id, &cookie], response),
                _ => continue,
            };
            let _ = stream.write_all(answer.as_bytes());
        }
    }

    fn judge(&self, claim: [&str; 3], response: &str) -> String {
        let message = String::from_utf8(STANDARD.decode(response).unwrap()).unwrap();
        let words: Vec<&str> = message.split('\0').collect();
        let (id, user) = (claim[1], words[1]);
        match words[2] {
            "good" => {
                let mut logins = self.logins.lock().unwrap();
                logins.insert(claim.map(str::to_owned), user.to_owned());
                format!("OK\t{id}\tuser={user}\tx_new=1\n")
            }
            // Judged for ever.
            "slow" => String::new(),
            _ => format!("FAIL\t{id}\tuser={user}\n"),
        }
    }

    fn master(&self, mut stream: UnixStream) {
        let _ = stream.write_all(b"VERSION\t1\t1\nSPID\t9\n");
        for line in BufReader::new(stream.try_clone().unwrap()).lines() {
            let Ok(line) = line else { return };
            self.heard.lock().unwrap().push(line.clone());
            let answer = match line.split('\t').collect::<Vec<_>>()[..] {
                ["REQUEST", id, pid, login, cookie, ..] => {
                    let claim = [pid, login, cookie].map(str::to_owned);
                    match self.logins.lock().unwrap().remove(&claim) {
                        Some(user) => format!("USER\t{id}\t{user}\tuid=8\thome=/h/{user}\n"),
                        None => format!("FAIL\t{id}\n"),
                    }
                }
                ["USER", id, user, ..] if user.starts_with("nobody") => format!("NOTFOUND\t{id}\n"),
                ["USER", id, user, ..] if user.starts_with("broken") => format!("FAIL\t{id}\n"),
                ["USER", id, user, ..] => format!("USER\t{id}\t{user}\tuid=8\thome=/h/{user}\n"),
                ["LIST", id, ..] => format!("LIST\t{id}\ta\nLIST\t{id}\tb\nDONE\t{id}\n"),
                ["PASS", id, user, ..] => format!("PASS\t{id}\tuser={user}\n"),
                _ => continue,
            };
            let _ = stream.write_all(answer.as_bytes());
        }
    }
}
