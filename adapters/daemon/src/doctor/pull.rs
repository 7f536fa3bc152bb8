//! Providers that are read for their accounts, asked for the first page as the daemon would.

use gatepost_accounts::pull::{Answer, Event, Fault, Pull, Step};

use super::Findings;
use crate::accounts::{PulledProvider, Unanswered, now};
use crate::config::{AccountSettings, PulledSource};

pub(super) async fn examine(accounts: &AccountSettings, findings: &mut Findings) {
    for settings in &accounts.pulls {
        let who = format!("pull of {:?}", &*settings.source);
        match ask(settings).await {
            Ok(()) => findings.good(&format!(
                "{who}: its provider lists users at {}",
                settings.url()
            )),
            Err((what, advice)) => {
                findings.bad(&format!("{who}: {what} at {}", settings.url()), &advice);
            }
        }
    }
}

/// What is wrong, and what to do, where the first page is none.
async fn ask(settings: &PulledSource) -> Result<(), (String, String)> {
    let mut provider = PulledProvider::new(settings)
        .map_err(|error| (error.to_string(), "correct ca_file".to_owned()))?;
    let mut pull = Pull::new(settings.settings());
    let fetch = loop {
        match pull.step() {
            Step::Get(fetch) => break fetch,
            Step::Wait(_) | Step::Work(_) => pull.resume(now()),
        }
    };
    match provider.get(&fetch).await {
        Ok(document) => pull.answered(&Answer {
            status: document.status,
            body: &document.body,
            ..Answer::default()
        }),
        Err(Unanswered::TooLong) => pull.too_long(),
        Err(Unanswered::Fault(what, advice)) => return Err((what, advice.to_owned())),
    }
    let failed = pull.events().into_iter().find_map(|event| match event {
        Event::Failed(fault) => Some(fault),
        _ => None,
    });
    failed.map_or(Ok(()), |fault| {
        Err((fault.to_string(), advice(fault, settings)))
    })
}

fn advice(fault: Fault, settings: &PulledSource) -> String {
    let text = match fault {
        Fault::Status(401) => {
            let (key, file) = settings.secret_file();
            let file = file.display();
            return format!("it does not take the token: correct {key} {file}, or what it is for");
        }
        Fault::Status(403) => "let whom the token is of read users and groups there",
        Fault::Status(429 | 500..) => {
            "look into its log and that of the proxy before it; what is known stays as it is meanwhile"
        }
        _ => {
            "correct url: what /Users and /Groups of SCIM 2.0 follow, as in \"https://id.example.com/scim/v2\""
        }
    };
    text.to_owned()
}
