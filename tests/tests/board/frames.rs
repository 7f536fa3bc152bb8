//! Frames that no honest neighbour would send.

use std::io;

use gatepost_tests::auth_client::{Answer, AuthClient};
use gatepost_tests::daemon::wait_until;
use gatepost_tests::frames;
use gatepost_tests::login::Mechanism;
use gatepost_tests::stream::Address;
use libtest_mimic::Failed;

use crate::site::{Site, TIME};
use crate::{Case, shared};

pub(crate) fn cases() -> Vec<Case> {
    vec![shared(
        "hostile_frames_neither_stop_nor_restart_it",
        hostile,
    )]
}

fn hostile(site: &mut Site) -> Result<(), Failed> {
    for frames in [
        frames::malformed(),
        frames::lies(),
        frames::mutations(),
        frames::wrong_times(TIME),
        frames::forged_connections(),
    ] {
        for frame in frames {
            site.wire.send(&frame)?;
        }
        wait_until("an answer on the wire", || site.wire.is_answered())?;
        wait_until("an answer to a login", || is_answered(site.address()))?;
    }
    assert_eq!(site.appliance.starts(), 1);
    Ok(())
}

/// Whether a login of a new connection gets its verdict.
pub(crate) fn is_answered(address: &Address) -> bool {
    let answer = || {
        let mut client = AuthClient::open(address)?;
        client.request("XOAUTH2", &Mechanism::Xoauth2.response("e30.e30.e30"))?;
        Ok::<_, io::Error>(client.answer()?.1)
    };
    matches!(answer(), Ok(Answer::Continue(_)))
}
