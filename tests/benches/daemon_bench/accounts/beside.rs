//! The same accounts in what mail servers have for them: Postfix's tables, and a passwd-file of Dovecot's.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::process::Stdio;
use std::time::{Duration, Instant};

use gatepost_tests::dovecot::{Dovecot, Setup, Tokens, Version};
use gatepost_tests::namespace::{Namespace, in_root};
use gatepost_tests::process::run as run_program;
use gatepost_tests::roots::{DOVECOT_2_3, MAIL};
use gatepost_tests::stream::{Address, Stream};

use super::super::process;
use super::super::servers::SERVERS_CORE;
use super::filled::{ACCOUNTS, address};

/// How many questions of a mail process's are on their way at once, as many as Gatepost takes.
const PIPELINED: usize = 64;

/// What a look-up costs `postmap` in a table that Postfix has made of the same addresses, in microseconds.
pub(super) fn postmap(namespace: &Namespace, addresses: &[String]) -> io::Result<f64> {
    let root = namespace.root(&MAIL);
    let all = (0..ACCOUNTS).map(|number| format!("{} x\n", address(number)));
    fs::write(root.join("tmp/known"), all.collect::<String>())?;
    fs::write(
        root.join("etc/postfix/main.cf"),
        "compatibility_level = 3.6\n",
    )?;
    run_program(in_root(&root, "/usr/sbin/postmap").arg("hash:/tmp/known"))?;
    let ask = |addresses: &[String]| -> io::Result<f64> {
        let mut command = in_root(&root, "/usr/sbin/postmap");
        command.args(["-q", "-", "hash:/tmp/known"]);
        let begun = Instant::now();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        let input = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        (&input).write_all((addresses.join("\n") + "\n").as_bytes())?;
        drop(input);
        child.wait()?;
        Ok(begun.elapsed().as_secs_f64() * 1e6)
    };
    let few = addresses.get(..1).unwrap_or_default();
    let each =
        (ask(addresses)? - ask(few)?) / f64::from(u32::try_from(addresses.len()).unwrap_or(1));
    Ok(each)
}

/// A Dovecot whose users are a passwd-file of the same addresses.
pub(super) struct PasswdFile(Dovecot);

impl PasswdFile {
    /// Starts it on the servers' core.
    pub(super) fn start(namespace: &Namespace) -> io::Result<Self> {
        let root = namespace.root(&DOVECOT_2_3);
        fs::create_dir_all(root.join("run/keys"))?;
        let users = (0..ACCOUNTS).map(|number| (&*address(number).leak(), ""));
        let setup = Setup {
            version: Version::V2_3,
            name: "bench-users",
            port: 14500,
            relay: 0,
            tokens: Tokens::OAuth2(
                "introspection_mode = local\nlocal_validation_key_dict = fs:posix:prefix=/run/keys/\n"
                    .to_owned(),
            ),
            users: users.collect::<Vec<_>>().leak(),
            core: Some(SERVERS_CORE),
        };
        Dovecot::start(&root, setup).map(Self)
    }

    /// What a look-up costs it, in microseconds of the processor.
    pub(super) fn look_up(&self, addresses: &[String]) -> io::Result<f64> {
        let all = self.0.processes(None)?;
        let cpu = || {
            let ids = all.iter().map(|id| id.as_raw_nonzero().get());
            ids.map(|id| process::cpu(id.unsigned_abs())).sum()
        };
        look_up(&self.0.auth_master(), addresses, cpu)
    }
}

/// What a mail process's question about a user costs whoever answers at `socket`, in microseconds of the processor, the
/// first ones left out.
pub(super) fn look_up(
    socket: &Address,
    addresses: &[String],
    cpu: impl Fn() -> io::Result<Duration>,
) -> io::Result<f64> {
    let mut stream = BufReader::new(socket.connect()?);
    stream.get_mut().write_all(b"VERSION\t1\t1\n")?;
    while !next(&mut stream)?.starts_with("SPID\t") {}
    let (first, rest) = addresses.split_at(PIPELINED);
    ask(&mut stream, first)?;
    let before = cpu()?;
    for chunk in rest.chunks(PIPELINED) {
        ask(&mut stream, chunk)?;
    }
    let took = cpu()?.saturating_sub(before);
    Ok(took.as_secs_f64() * 1e6 / f64::from(u32::try_from(rest.len()).unwrap_or(1)))
}

fn ask(stream: &mut BufReader<Stream>, addresses: &[String]) -> io::Result<()> {
    let mut lines = Vec::new();
    for (number, address) in addresses.iter().enumerate() {
        writeln!(lines, "USER\t{}\t{address}\tservice=lmtp", number + 1)?;
    }
    stream.get_mut().write_all(&lines)?;
    for _ in addresses {
        let line = next(stream)?;
        assert!(line.starts_with("USER\t"), "a user is not known: {line}");
    }
    Ok(())
}

fn next(stream: &mut BufReader<Stream>) -> io::Result<String> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    if line.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line)
}
