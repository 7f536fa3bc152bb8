//! `gatepost check`: judges tokens from standard input as the daemon would, and says why.

mod advice;
mod answers;
mod claims;
mod explain;
mod ground;
mod judged;
mod report;
mod shape;
mod wanted;

use std::{
    io::{self, BufRead, IsTerminal, Read, Write},
    path::PathBuf,
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use clap::{Args, ValueEnum};
use gatepost_core::{
    Rejection, TemplateError, UnixTime, UsernameTemplate,
    crypto::Algorithm,
    dovecot::MAX_RESPONSE_CHARACTERS,
    exchange::{MAX_PAYLOAD, TrustedKey},
    jose::{UnverifiedJwt, VerifyError},
    sasl::{BearerToken, Compat, Mechanism},
};
use ground::Ground;
pub(crate) use judged::Judge;
use report::Report;

/// More than any line that could be good, so that what is too long is told from what is cut off.
const MAX_LINE: u64 = 2 * MAX_RESPONSE_CHARACTERS as u64;

/// Judges tokens from standard input.
#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option")]
pub(crate) struct Check {
    /// Judges as the daemon of this configuration would: keys are fetched, and providers are asked.
    #[arg(long, value_name = "FILE", conflicts_with_all = [
        "keys", "issuer", "audience", "any_audience", "scope", "username_claim", "algorithms", "compat", "jws",
    ])]
    config: Option<PathBuf>,
    /// Judges by keys in files only, and asks nobody.
    #[arg(long, requires = "config")]
    offline: bool,
    /// A JWK Set, a PEM file or a directory `<azp>/<ALG>/<kid>`; may be repeated.
    #[arg(long, required_unless_present = "config", value_name = "FILE|DIR")]
    keys: Vec<PathBuf>,
    /// The only issuer taken.
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// An audience of which the token must name one; may be repeated.
    #[arg(long, required_unless_present_any = ["any_audience", "jws", "config"])]
    audience: Vec<String>,
    /// Takes tokens for any audience.
    #[arg(long, conflicts_with = "audience")]
    any_audience: bool,
    /// A scope that the token must have; may be repeated.
    #[arg(long)]
    scope: Vec<String>,
    /// A claim that may hold the user's name, or a template over several, `sub` if none is given; may be
    /// repeated.
    #[arg(long, value_name = "CLAIM", value_parser = username_claim)]
    username_claim: Vec<String>,
    /// Who the client claims to be.
    #[arg(long, value_name = "NAME", conflicts_with = "response")]
    user: Option<String>,
    /// The algorithms that may be used.
    #[arg(long, value_delimiter = ',', value_parser = algorithm)]
    algorithms: Vec<Algorithm>,
    /// What time it is, in seconds since 1970.
    #[arg(long, value_name = "UNIX")]
    now: Option<i64>,
    /// How much grace a SASL response gets.
    #[arg(long, value_enum, default_value_t = Grace::Strict)]
    compat: Grace,
    /// Reads base64 SASL responses instead of tokens.
    #[arg(long, value_enum)]
    response: Option<ResponseOf>,
    /// Judges the signature alone, whatever the payload.
    #[arg(long, conflicts_with_all = ["response", "user", "issuer", "scope", "username_claim"])]
    jws: bool,
    /// Judges each line of the input by itself.
    #[arg(long)]
    lines: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Grace {
    Strict,
    Dovecot,
}

#[derive(Clone, Copy, ValueEnum)]
enum ResponseOf {
    Xoauth2,
    Oauthbearer,
}

fn algorithm(name: &str) -> Result<Algorithm, String> {
    Algorithm::from_name(name).ok_or_else(|| {
        let known = Algorithm::ALL.map(Algorithm::name).join(", ");
        format!("not an algorithm of ours; write one of {known}")
    })
}

fn username_claim(candidate: &str) -> Result<String, TemplateError> {
    UsernameTemplate::parse(candidate).map(|_| candidate.to_owned())
}

/// Judges what is on standard input.
pub(crate) fn run(check: &Check) -> ExitCode {
    match judge_input(check) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("gatepost: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether everything was accepted.
fn judge_input(check: &Check) -> Result<bool, Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let ground = Ground::new(check, &runtime)?;
    let mut stdin = io::stdin().lock();
    let mut stdout = io::stdout().lock();
    if stdin.is_terminal() {
        eprintln!(
            "gatepost: waiting for a {}: paste it, then Enter and Ctrl-D",
            check.input_name()
        );
    }
    let mut all_good = true;
    let mut is_empty = true;
    while let Some(input) = check.read(&mut stdin)? {
        // Of lines, each has its answer, the empty ones too.
        if input.trim().is_empty() && !check.lines {
            break;
        }
        is_empty = false;
        let report = runtime.block_on(check.judge(&ground, &input));
        all_good &= report.is_accepted();
        if stdout.is_terminal() {
            writeln!(stdout, "{}", explain::Explanation(&report))?;
        } else {
            writeln!(stdout, "{}", report.json())?;
        }
    }
    if is_empty {
        return Err(format!(
            "nothing to judge: give a {} on standard input",
            check.input_name()
        )
        .into());
    }
    Ok(all_good)
}

impl Check {
    /// What is read.
    fn input_name(&self) -> &'static str {
        match self.response {
            Some(_) => "base64 SASL response",
            None => "token",
        }
    }

    fn now(&self) -> UnixTime {
        let clock = || {
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs())
        };
        let seconds = self
            .now
            .unwrap_or_else(|| i64::try_from(clock()).unwrap_or(i64::MAX));
        UnixTime::from_seconds(seconds)
    }

    /// The next line, or all there is; what is too long is cut off beyond any limit.
    fn read(&self, stdin: &mut impl BufRead) -> io::Result<Option<String>> {
        let mut bytes = Vec::new();
        let mut bounded = stdin.take(MAX_LINE);
        if self.lines {
            if bounded.read_until(b'\n', &mut bytes)? == 0 {
                return Ok(None);
            }
        } else if bounded.read_to_end(&mut bytes)? == 0 {
            return Ok(None);
        }
        if bytes.last() != Some(&b'\n') && bytes.len() as u64 == MAX_LINE {
            skip_line(stdin)?;
        }
        Ok(Some(
            String::from_utf8_lossy(&bytes)
                .trim_end_matches(['\r', '\n'])
                .to_owned(),
        ))
    }

    async fn judge(&self, ground: &Ground, input: &str) -> Report {
        if self.jws {
            return judge_signature(&ground.providers().trust().keys().concat(), input);
        }
        let (mechanism, message) = match self.response {
            Some(response) => match decode_response(input) {
                Ok(message) => (response.mechanism(), message),
                Err(report) => return *report,
            },
            None => (Mechanism::OAuthBearer, self.wrap(input)),
        };
        let compat = match self.compat {
            Grace::Dovecot if self.response.is_some() => Compat::Dovecot,
            _ => Compat::Strict,
        };
        let rules = ground.rules(compat);
        let judge = Judge {
            providers: ground.providers(),
            rules,
            is_offline: self.offline,
            now: self.now(),
        };
        let token = match self.response {
            Some(_) => token_in(&message).unwrap_or_default(),
            None => input,
        };
        let judged = judge.judge(mechanism, &message, token).await;
        let mut report = Report::of_login(judged, token);
        if self.config.is_none() {
            report.provider = None;
        }
        report
    }

    /// A bare token in the message that a client would send; `=` and `,` are escaped in its GS2 header.
    fn wrap(&self, token: &str) -> Vec<u8> {
        let authzid = self.user.as_ref().map(|user| {
            let escaped = user.replace('=', "=3D").replace(',', "=2C");
            format!("a={escaped}")
        });
        format!(
            "n,{},\x01auth=Bearer {token}\x01\x01",
            authzid.unwrap_or_default()
        )
        .into_bytes()
    }
}

impl ResponseOf {
    fn mechanism(self) -> Mechanism {
        match self {
            Self::Xoauth2 => Mechanism::XOAuth2,
            Self::Oauthbearer => Mechanism::OAuthBearer,
        }
    }
}

fn skip_line(stdin: &mut impl BufRead) -> io::Result<()> {
    loop {
        let available = stdin.fill_buf()?;
        let end = available.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(available.len(), |end| end + 1);
        let is_over = end.is_some() || available.is_empty();
        stdin.consume(used);
        if is_over {
            return Ok(());
        }
    }
}

fn decode_response(input: &str) -> Result<Vec<u8>, Box<Report>> {
    if input.len() > MAX_RESPONSE_CHARACTERS {
        return Err(Box::new(Report::rejected(Rejection::ResponseTooLong)));
    }
    let decoded = STANDARD.decode(input);
    decoded.map_err(|_| Box::new(Report::not_base64()))
}

/// The token in a message, for showing its claims; what the core makes of it is another matter.
fn token_in(message: &[u8]) -> Option<&str> {
    let message = std::str::from_utf8(message).ok()?;
    let credentials = message
        .split('\x01')
        .find_map(|part| part.strip_prefix("auth="))?;
    credentials
        .split_once(' ')
        .map(|(_, token)| token.trim_start())
}

/// Tries the keys that the header's `kid` and `alg` admit.
fn judge_signature(keys: &[TrustedKey<'_>], token: &str) -> Report {
    let jwt = match BearerToken::new(token.as_bytes())
        .map_err(Rejection::from)
        .and_then(|token| UnverifiedJwt::parse(token.expose()).map_err(Rejection::from))
    {
        Ok(jwt) => jwt,
        Err(rejection) => return Report::rejected(rejection),
    };
    let header = jwt.header();
    // As in a login: a key of another name is not the token's, one without a name may be.
    let has_name = |key: &TrustedKey<'_>| header.kid().is_some() && key.kid == header.kid();
    let any_named = keys.iter().any(has_name);
    let may_have_signed = |key: &&TrustedKey<'_>| {
        has_name(key) || !any_named && (header.kid().is_none() || key.kid.is_none())
    };
    let mut scratch = vec![0; MAX_PAYLOAD];
    let mut rejection = Rejection::UnknownKey;
    for key in keys.iter().filter(may_have_signed) {
        if !key.key.algorithms().contains(header.algorithm()) {
            rejection = Rejection::AlgorithmNotAllowed;
            continue;
        }
        match jwt.verify(key.key, &mut scratch) {
            Ok(_) => return Report::of_signature(header, token),
            Err(VerifyError::Signature) => rejection = Rejection::BadSignature,
            Err(VerifyError::Token(error)) => return Report::rejected(error.into()),
        }
    }
    Report::rejected(rejection)
}
