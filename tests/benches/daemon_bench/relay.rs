//! A login by a token where Gatepost stands before a Dovecot, beside one where it does not.

use std::io;
use std::path::Path;

use gatepost_tests::auth_client::{Answer, AuthClient};
use gatepost_tests::dovecot::{Dovecot, Setup, Tokens as Judge, Version};
use gatepost_tests::mint::Issuer;
use gatepost_tests::namespace::Namespace;
use gatepost_tests::roots::DOVECOT_2_3;
use gatepost_tests::stream::Address;

use super::beside::{NEW, REPEATED, ROUNDS};
use super::load::{Client, Load};
use super::servers::{self, Gatepost, SERVERS_CORE};
use super::table::{Row, Table, Target};
use super::tokens::Tokens;

/// What the relay may cost.
const TARGET: Target = Target::RatioAtMost(1.15);

/// Whose password is Dovecot's matter.
const USER: (&str, &str) = ("carol@example.com", "carols-password");

pub(crate) fn run(
    table: &mut Table,
    namespace: &Namespace,
    directory: &Path,
    issuer: &Issuer,
) -> io::Result<()> {
    let keys = servers::static_keys(directory, issuer)?;
    let dovecot = Dovecot::start(
        &namespace.root(&DOVECOT_2_3),
        Setup {
            version: Version::V2_3,
            name: "relay",
            port: 14400,
            relay: 0,
            tokens: Judge::Elsewhere,
            users: &[USER],
            core: Some(SERVERS_CORE),
        },
    )?;
    let relay = Gatepost::start(directory, "relay", "info", &(upstream(&dovecot) + &keys))?;
    relays_passwords(&relay.address)?;
    let direct = Gatepost::start(directory, "direct", "info", &keys)?;
    Table::section("through the relay before a Dovecot 2.3; info", "direct");
    for (client, name) in [
        (Client::Postfix, "Postfix's lines"),
        (Client::Dovecot, "Dovecot's lines"),
    ] {
        let token = Tokens::mint(issuer, "RS256", 1);
        let repeated = [(); ROUNDS].map(|()| Load::by(client, &vec![token.first(); REPEATED]));
        let what = format!("RS256, one token again and again, us of CPU, {name}");
        compare(table, what, &repeated, &relay, &direct)?;
        let tokens = Tokens::mint(issuer, "RS256", ROUNDS * NEW);
        let chunks = tokens.chunks(NEW).into_iter();
        let new: Vec<_> = chunks.map(|round| Load::by(client, &round)).collect();
        let what = format!("RS256, each token new, us of CPU, {name}");
        compare(table, what, &new, &relay, &direct)?;
    }
    Ok(())
}

/// Where Dovecot's sockets are, and ours that its processes ask at.
fn upstream(dovecot: &Dovecot) -> String {
    let path = |address: Address| match address {
        Address::Unix(path) => path.display().to_string(),
        Address::Tcp(address) => address.to_string(),
    };
    let (client, master) = (path(dovecot.auth_client()), path(dovecot.auth_master()));
    let (login_socket, master_socket) =
        (path(dovecot.login_socket()), path(dovecot.master_socket()));
    let login = client.replace("auth-client", "login/login");
    format!(
        "[upstream]\nlogin = \"unix:{login}\"\nclient = \"unix:{client}\"\nmaster = \"unix:{master}\"\n\
         [[listener]]\naddress = \"unix:{login_socket}\"\nmode = \"0666\"\n\
         [[listener]]\naddress = \"unix:{master_socket}\"\nprotocol = \"master\"\n"
    )
}

/// Makes sure that there is a Dovecot upstream.
fn relays_passwords(relay: &Address) -> io::Result<()> {
    let mut client = AuthClient::open(relay)?;
    let (user, password) = USER;
    client.request("PLAIN", format!("\0{user}\0{password}").as_bytes())?;
    match client.answer()? {
        (_, Answer::Ok { .. }) => Ok(()),
        (_, answer) => Err(io::Error::other(format!("no Dovecot upstream: {answer:?}"))),
    }
}

fn compare(
    table: &mut Table,
    what: String,
    loads: &[Load],
    relay: &Gatepost,
    direct: &Gatepost,
) -> io::Result<()> {
    let (mut through, mut straight) = (Vec::new(), Vec::new());
    for load in loads {
        for (costs, gatepost) in [(&mut through, relay), (&mut straight, direct)] {
            let before = gatepost.cpu()?;
            load.finish(&gatepost.address)?;
            let cpu = gatepost.cpu()?.saturating_sub(before);
            costs.push(cpu.as_secs_f64() * 1e6 / load.logins());
        }
    }
    table.print(&Row::rounds(what, &through, &straight), TARGET);
    Ok(())
}
