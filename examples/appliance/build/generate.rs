//! The configuration as Rust source: constants, so that an image holds what it needs and nothing else.

use std::fmt::Write as _;

use gatepost_core::crypto::{Algorithm, AlgorithmSet, KeyMaterial, Unsupported};
use gatepost_core::jose::{Jwk, JwkSet, KeyBuffer, KeyError};

use crate::config::{Config, Discovery, Provider};
use crate::limits::Limits;
use crate::trust;

/// Longest line of an answer beside a challenge: a name of 256 bytes, each of which may be escaped.
const MIN_LINE: usize = 576;

/// What chains of certificates are signed with.
const OF_CERTIFICATES: AlgorithmSet = AlgorithmSet::of(&[
    Algorithm::Rs256,
    Algorithm::Es256,
    Algorithm::Es384,
    Algorithm::EdDsa,
]);

/// The whole of `config.rs`.
///
/// # Errors
/// What the configuration has to change.
pub(crate) fn source(config: &Config, built_at: u64) -> Result<String, String> {
    let limits = &config.limits;
    let mut served = AlgorithmSet::EMPTY;
    for provider in &config.provider {
        served = served.union(provider.algorithms()?);
    }
    let told = config.told();
    let mut out = String::new();
    let mut constant = |name: &str, kind: &str, value: String| {
        let _ = writeln!(out, "pub(crate) const {name}: {kind} = {value};");
    };
    constant("BUILT_AT", "i64", built_at.to_string());
    constant("PORT", "u16", config.listen.port.to_string());
    constant("ALLOWED", "Option<Network>", allowed(config)?);
    constant("ADDRESS", "Option<Address>", address(config)?);
    constant("TIME", "&[(&str, u16)]", time(config)?);
    let Limits {
        connections,
        logins,
        token,
        keys,
        key_bytes,
    } = limits.of_device();
    constant(
        "LIMITS",
        "Limits",
        format!(
            "Limits {{ connections: {connections}, logins: {logins}, token: {token}, keys: {keys}, \
             key_bytes: {key_bytes} }}.checked()"
        ),
    );
    if config.is_online() {
        constant("ENTROPY", "bool", config.entropy.is_some().to_string());
        constant("ANSWER", "usize", limits.answer.to_string());
        constant("TLS", "bool", config.asks_over_tls().to_string());
        constant("TLS_RECORD", "usize", limits.tls_record.to_string());
        constant("TLS_TYPES", "&[KeyType]", types(OF_CERTIFICATES));
    }
    constant("LINE", "usize", longest_line(&told)?.to_string());
    constant("TYPES", "&[KeyType]", types(served));
    constant("DISCOVERY", "Discovery<'static>", discovery(&told));
    constant("PROVIDERS_LEN", "usize", config.provider.len().to_string());
    let mut array = |name: &str, kind: &str, items: Vec<String>| {
        let items = items.join(", ");
        let _ = writeln!(
            out,
            "pub(crate) static {name}: [{kind}; PROVIDERS_LEN] = [{items}];"
        );
    };
    if config.is_online() {
        let trust = each(config, |_, provider| trust::source(provider))?;
        array("TRUST", "Trust<'static>", trust);
    }
    array("PROVIDERS", "ProviderSettings", each(config, provider)?);
    Ok(out)
}

/// The source of something for every provider.
fn each(
    config: &Config,
    source: impl Fn(usize, &Provider) -> Result<String, String>,
) -> Result<Vec<String>, String> {
    let providers = config.provider.iter().enumerate();
    let sources = providers.map(|(index, provider)| {
        let fault = |error| format!("provider {:?}: {error}", provider.name());
        source(index, provider).map_err(fault)
    });
    sources.collect()
}

fn allowed(config: &Config) -> Result<String, String> {
    let Some(from) = &config.listen.from else {
        return Ok("None".to_owned());
    };
    let (address, prefix) =
        network(from).ok_or("listen: from is a network such as \"192.0.2.0/28\"")?;
    let [a, b, c, d] = address.octets();
    Ok(format!(
        "Some(Network {{ address: Ipv4Addr::new({a}, {b}, {c}, {d}), prefix: {prefix} }})"
    ))
}

fn network(text: &str) -> Option<(std::net::Ipv4Addr, u8)> {
    let (address, prefix) = text.split_once('/')?;
    let prefix = prefix.parse().ok().filter(|prefix| *prefix <= 32)?;
    Some((address.parse().ok()?, prefix))
}

fn address(config: &Config) -> Result<String, String> {
    let given = &config.network;
    if given.address == "dhcp" {
        return Ok("None".to_owned());
    }
    let (own, prefix) = network(&given.address)
        .ok_or("network: address is \"dhcp\" or such as \"192.0.2.10/24\"")?;
    let ip = |address: &std::net::Ipv4Addr| {
        let [a, b, c, d] = address.octets();
        format!("Ipv4Addr::new({a}, {b}, {c}, {d})")
    };
    let gateway = given.gateway.as_ref().map_or("None".to_owned(), |gateway| {
        format!("Some({})", ip(gateway))
    });
    let dns: Vec<String> = given.dns.iter().map(ip).collect();
    let (own, dns) = (ip(&own), dns.join(", "));
    Ok(format!(
        "Some(Address {{ own: {own}, prefix: {prefix}, gateway: {gateway}, dns: &[{dns}] }})"
    ))
}

fn time(config: &Config) -> Result<String, String> {
    let server = |server: &String| {
        let (host, port) = match server.split_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| "time: no such port")?),
            None => (&**server, 123_u16),
        };
        Ok(format!("({host:?}, {port})"))
    };
    let servers: Result<Vec<String>, String> = config.time_servers().iter().map(server).collect();
    Ok(format!("&[{}]", servers?.join(", ")))
}

/// What a challenge takes as base64 on its line, or any other answer.
fn longest_line(discovery: &Discovery) -> Result<usize, String> {
    if !discovery.fits() {
        return Err("discovery: longer than a reply of 1,024 bytes holds".to_owned());
    }
    let texts = [&discovery.scope, &discovery.openid_configuration];
    let length: usize = texts.into_iter().flatten().map(|text| text.len() + 2).sum();
    // Names, status and punctuation take 112 bytes, `CONT`, id and separators 24.
    Ok(((length + 112).div_ceil(3) * 4 + 24).max(MIN_LINE))
}

/// The key types that any of `served` takes. All boards here multiply as `gatepost_cortex_m` wants it.
fn types(served: AlgorithmSet) -> String {
    let all: [(&str, &[Algorithm]); 6] = [
        (
            "KeyType::HMAC",
            &[Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512],
        ),
        (
            "gatepost_cortex_m::RSA",
            &[
                Algorithm::Rs256,
                Algorithm::Rs384,
                Algorithm::Rs512,
                Algorithm::Ps256,
                Algorithm::Ps384,
                Algorithm::Ps512,
            ],
        ),
        ("gatepost_cortex_m::P256", &[Algorithm::Es256]),
        ("gatepost_cortex_m::P384", &[Algorithm::Es384]),
        ("gatepost_cortex_m::P521", &[Algorithm::Es512]),
        ("KeyType::ED25519", &[Algorithm::EdDsa]),
    ];
    let wanted = all.iter().filter(|(_, algorithms)| {
        let algorithms = AlgorithmSet::of(algorithms);
        !algorithms.intersection(served).is_empty()
    });
    let names: Vec<String> = wanted.map(|(name, _)| (*name).to_owned()).collect();
    format!("&[{}]", names.join(", "))
}

fn discovery(discovery: &Discovery) -> String {
    let (scope, url) = (&discovery.scope, &discovery.openid_configuration);
    format!("Discovery {{ scope: {scope:?}, openid_configuration: {url:?} }}")
}

fn provider(index: usize, provider: &Provider) -> Result<String, String> {
    let name = provider.name();
    let served = provider.algorithms()?;
    let keys = keys(provider)?;
    let (policy, online) = (policy(provider, &name), online(index, provider));
    let algorithms = names(served);
    Ok(format!(
        "ProviderSettings {{ policy: {policy}, algorithms: {algorithms}, \
         keys: {keys}, online: {online} }}"
    ))
}

/// The keys of the JWK Set, if there is one; every key of it has to be usable.
fn keys(provider: &Provider) -> Result<String, String> {
    let Some(path) = &provider.keys else {
        return Ok("&[]".to_owned());
    };
    println!("cargo:rerun-if-changed={}", path.display());
    let fault = |error: String| format!("{}: {error}", path.display());
    let json = std::fs::read(path).map_err(|error| fault(error.to_string()))?;
    let set = JwkSet::parse(&json).map_err(|error| fault(format!("no JWK Set: {error}")))?;
    let keys: Result<Vec<String>, KeyError> = set.into_iter().map(|jwk| key(&jwk?)).collect();
    let keys = keys.map_err(|error| fault(format!("a key cannot be used: {error}")))?;
    Ok(format!("&[{}]", keys.join(", ")))
}

fn key(jwk: &Jwk<'_>) -> Result<String, KeyError> {
    let mut buffer = KeyBuffer::new();
    let bytes = |bytes: &[u8]| format!("b\"{}\"", bytes.escape_ascii());
    let numbers = match jwk.material_or_secret(&mut buffer)? {
        KeyMaterial::Hmac(secret) => format!("Hmac({})", bytes(secret.expose())),
        KeyMaterial::Rsa(key) => format!(
            "Rsa {{ modulus: {}, exponent: {:?} }}",
            bytes(key.modulus()),
            key.exponent().to_be_bytes()
        ),
        KeyMaterial::Ec(key) => format!("Ec(Curve::{:?}, {})", key.curve(), bytes(key.sec1())),
        KeyMaterial::Ed25519(key) => format!("Ed25519({})", bytes(key.bytes())),
        _ => return Err(KeyError::Material(Unsupported::NoAlgorithm)),
    };
    let (kid, algorithms) = (jwk.kid().unwrap_or_default(), names(jwk.algorithms()));
    let issuer = jwk.issuer().unwrap_or_default();
    Ok(format!(
        "BakedKey {{ kid: {kid:?}, issuer: {issuer:?}, algorithms: {algorithms}, numbers: Numbers::{numbers} }}"
    ))
}

fn names(set: AlgorithmSet) -> String {
    let names: Vec<String> = set
        .iter()
        .map(|one| format!("Algorithm::{one:?}"))
        .collect();
    format!("AlgorithmSet::of(&[{}])", names.join(", "))
}

fn policy(provider: &Provider, name: &str) -> String {
    let audience = provider.audience.as_slice();
    let audience = if provider.any_audience {
        "Audience::Any".to_owned()
    } else {
        format!("Audience::OneOf(&{audience:?})")
    };
    let required = provider.require.iter();
    let required: Vec<String> = required
        .map(|(claim, value)| format!("Requirement {{ claim: {claim:?}, any_of: &[{value:?}] }}"))
        .collect();
    format!(
        "{{ let mut policy = Policy::new({name:?}, {audience}); policy.issuer = {:?}; \
         policy.authorized_parties = &{:?}; policy.scopes = &{:?}; policy.username_claims = &{:?}; \
         policy.domains = &{:?}; policy.required = &[{}]; policy.skew = {}; policy }}",
        provider.issuer,
        provider.authorized_parties,
        provider.scopes,
        provider.username_claims,
        provider.domains,
        required.join(", "),
        provider.skew_seconds,
    )
}

fn online(index: usize, provider: &Provider) -> String {
    if !provider.is_online() {
        return "None".to_owned();
    }
    let has_keys =
        provider.keys.is_some() || provider.key_set_url.is_some() || provider.discovers();
    let about = match (provider.can_ask(), has_keys) {
        (false, _) => "None",
        (true, true) => "Some(About::OpaqueTokens)",
        (true, false) => "Some(About::EveryToken)",
    };
    let mode = if provider.client_id.is_some() {
        "Post"
    } else {
        "Auth"
    };
    let client = match (&provider.client_id, &provider.client_secret) {
        (Some(id), Some(secret)) => {
            format!("Some(Client {{ id: {id:?}, secret: {secret:?}, place: ClientPlace::Basic }})")
        }
        _ => "None".to_owned(),
    };
    let connect_to = provider.connect_to.map_or("None".to_owned(), |address| {
        let [a, b, c, d] = address.ip().octets();
        format!(
            "Some(SocketAddrV4::new(Ipv4Addr::new({a}, {b}, {c}, {d}), {}))",
            address.port()
        )
    });
    format!(
        "Some(OnlineSettings {{ discovery: {}, key_set_url: {:?}, connect_to: {connect_to}, allow_http: {}, trust: {index}, \
         endpoints: Endpoints {{ tokeninfo: None, introspection: {:?}, mode: Mode::{mode}, \
         force_introspection: false, about: {about}, grant: None, client: {client}, \
         allow_missing_audience: {}, unauthorized_is_invalid_token: false, signed_answers: false }} }})",
        provider.discovers(),
        provider.key_set_url,
        provider.allow_http,
        provider.introspection_url,
        provider.allow_missing_audience || provider.userinfo,
    )
}
