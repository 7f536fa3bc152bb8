//! One look at a provider: which document is fetched next, and what its answer means.

use core::fmt;

use super::metadata::{Metadata, MetadataError, Url, write_oauth_url, write_oidc_url};

/// Where a provider's keys and endpoints are looked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Source<'s> {
    /// Its issuer, by which its metadata are found and known.
    pub issuer: Option<&'s str>,
    /// Where its metadata are, if not where their standards say.
    pub metadata_url: Option<&'s str>,
    /// Where its JWK Set is, if not where its metadata say.
    pub key_set_url: Option<&'s str>,
    /// Whether its metadata are looked for, which takes an issuer.
    pub discovers: bool,
    /// Whether its keys are.
    pub finds_keys: bool,
}

/// A document that a provider publishes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Document {
    /// Its metadata.
    Metadata,
    /// Its JWK Set.
    KeySet,
}

/// What to do next in a [`Look`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step<'l> {
    /// Get this document from that URL, and tell the look what came of it: by
    /// [`not_reached`](Look::not_reached), [`not_found`](Look::not_found), [`metadata`](Look::metadata) or
    /// [`key_set`](Look::key_set).
    Get(Document, &'l str),
    /// It is over: everything was found, and is good for so many seconds, if the provider says.
    Found(Option<u32>),
    /// It is over, and nothing that was known is to be replaced.
    Failed(LookFailure),
}

/// Why a look has found nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum LookFailure {
    /// The URL of the metadata is longer than [`Url`] holds.
    UrlTooLong,
    /// The provider was not reached, or its answer could not be read.
    NotReached,
    /// There are no metadata of this issuer, in any of the places.
    NoMetadata,
    /// The metadata name no `jwks_uri` that can be used, and nothing else says where the keys are.
    NoKeySetUrl,
    /// There is no JWK Set at its URL, or no key in it that can be used.
    NoKeys,
}

impl fmt::Display for LookFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UrlTooLong => "The URL of the provider's metadata is too long",
            Self::NotReached => "The provider was not reached, or its answer cannot be read",
            Self::NoMetadata => "There are no metadata of this issuer at the provider",
            Self::NoKeySetUrl => "The provider's metadata name no jwks_uri that can be used",
            Self::NoKeys => "The provider serves no key that can be used",
        })
    }
}

impl core::error::Error for LookFailure {}

/// One look at a provider.
#[derive(Clone, Debug)]
pub struct Look<'s> {
    source: Source<'s>,
    stage: Stage,
    /// Where the metadata are, then where they say that the keys are; not used for what the source says.
    url: Url,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    /// At the operator's URL.
    MetadataUrl,
    /// By `OpenID` Connect Discovery.
    OpenId,
    /// By RFC 8414.
    OAuth,
    KeySetUrl,
    /// Where the metadata say.
    Discovered,
    Over(Result<Option<u32>, LookFailure>),
}

impl<'s> Look<'s> {
    /// A look at `source`.
    #[must_use]
    pub fn new(source: Source<'s>) -> Self {
        let mut look = Self {
            source,
            stage: Stage::KeySetUrl,
            url: Url::new(),
        };
        // Without an issuer nobody could tell whose metadata they are.
        match (
            source.discovers && source.issuer.is_some(),
            source.metadata_url,
        ) {
            (true, Some(_)) => look.stage = Stage::MetadataUrl,
            (true, None) => look.stage = look.well_known(Stage::OpenId),
            (false, _) => look.find_keys(None),
        }
        look
    }

    /// What to do next.
    #[must_use]
    pub fn step(&self) -> Step<'_> {
        let (document, url) = match self.stage {
            Stage::MetadataUrl => (Document::Metadata, self.source.metadata_url),
            Stage::OpenId | Stage::OAuth => (Document::Metadata, Some(&*self.url)),
            Stage::KeySetUrl => (Document::KeySet, self.source.key_set_url),
            Stage::Discovered => (Document::KeySet, Some(&*self.url)),
            Stage::Over(Ok(max_age)) => return Step::Found(max_age),
            Stage::Over(Err(why)) => return Step::Failed(why),
        };
        url.map_or(Step::Failed(LookFailure::NoKeySetUrl), |url| {
            Step::Get(document, url)
        })
    }

    /// The provider did not answer: another document of the same host is not tried either.
    pub fn not_reached(&mut self) {
        self.fail(LookFailure::NotReached);
    }

    /// It answered with a status other than 200, or with what is no such document at all.
    pub fn not_found(&mut self) {
        match self.stage {
            Stage::OpenId => self.stage = self.well_known(Stage::OAuth),
            Stage::MetadataUrl | Stage::OAuth => self.fail(LookFailure::NoMetadata),
            Stage::KeySetUrl | Stage::Discovered => self.fail(LookFailure::NoKeys),
            Stage::Over(_) => {}
        }
    }

    /// Reads metadata, which have to be the issuer's, and URLs in them as protected as the metadata's own.
    ///
    /// # Errors
    /// Why nothing of it can be used; the look goes on without it.
    pub fn metadata(&mut self, body: &[u8]) -> Result<Metadata, MetadataError> {
        let issuer = self.source.issuer.unwrap_or_default();
        let url = self.source.metadata_url.unwrap_or(issuer);
        let metadata = Metadata::parse_from(url, issuer, body);
        match &metadata {
            Ok(metadata) => self.find_keys(metadata.key_set.as_ref()),
            Err(_) => self.not_found(),
        }
        metadata
    }

    /// The JWK Set was read: it has `usable` keys, and is good for `max_age` seconds, if the provider says.
    pub fn key_set(&mut self, usable: usize, max_age: Option<u32>) {
        self.stage = Stage::Over(match usable {
            0 => Err(LookFailure::NoKeys),
            _ => Ok(max_age),
        });
    }

    fn find_keys(&mut self, discovered: Option<&Url>) {
        self.stage = match (self.source.key_set_url, discovered) {
            _ if !self.source.finds_keys => Stage::Over(Ok(None)),
            (Some(_), _) => Stage::KeySetUrl,
            (None, Some(url)) => {
                self.url.clone_from(url);
                Stage::Discovered
            }
            (None, None) => Stage::Over(Err(LookFailure::NoKeySetUrl)),
        };
    }

    fn well_known(&mut self, stage: Stage) -> Stage {
        let issuer = self.source.issuer.unwrap_or_default();
        self.url.clear();
        let written = match stage {
            Stage::OAuth => write_oauth_url(issuer, &mut self.url),
            _ => write_oidc_url(issuer, &mut self.url),
        };
        match written {
            Ok(()) => stage,
            Err(_) => Stage::Over(Err(LookFailure::UrlTooLong)),
        }
    }

    fn fail(&mut self, why: LookFailure) {
        self.stage = Stage::Over(Err(why));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://id.example.com/mail";
    const OPENID: &str = "https://id.example.com/mail/.well-known/openid-configuration";
    const OAUTH: &str = "https://id.example.com/.well-known/oauth-authorization-server/mail";
    const KEYS: &str = "https://id.example.com/keys";
    const METADATA: &[u8] =
        br#"{"issuer":"https://id.example.com/mail","jwks_uri":"https://id.example.com/keys"}"#;

    fn source() -> Source<'static> {
        Source {
            issuer: Some(ISSUER),
            discovers: true,
            finds_keys: true,
            ..Source::default()
        }
    }

    #[test]
    fn an_issuer_leads_to_its_metadata_and_these_to_its_keys() {
        let mut look = Look::new(source());
        assert_eq!(look.step(), Step::Get(Document::Metadata, OPENID));
        look.metadata(METADATA).unwrap();
        assert_eq!(look.step(), Step::Get(Document::KeySet, KEYS));
        look.key_set(2, Some(600));
        assert_eq!(look.step(), Step::Found(Some(600)));
    }

    #[test]
    fn the_second_well_known_url_is_tried_where_the_first_has_nothing() {
        let wrong: [fn(&mut Look<'_>); 3] = [
            |look| look.not_found(),
            |look| assert_eq!(look.metadata(b"<html>"), Err(MetadataError::Malformed)),
            |look| {
                let other = br#"{"issuer":"https://id.example.com/other"}"#;
                assert_eq!(look.metadata(other), Err(MetadataError::WrongIssuer));
            },
        ];
        for nothing in wrong {
            let mut look = Look::new(source());
            nothing(&mut look);
            assert_eq!(look.step(), Step::Get(Document::Metadata, OAUTH));
            nothing(&mut look);
            assert_eq!(look.step(), Step::Failed(LookFailure::NoMetadata));
        }
    }

    #[test]
    fn a_host_that_does_not_answer_is_asked_for_nothing_else() {
        let mut look = Look::new(source());
        look.not_reached();
        assert_eq!(look.step(), Step::Failed(LookFailure::NotReached));
    }

    #[test]
    fn what_the_operator_writes_goes_before_what_standards_and_metadata_say() {
        let url = "https://internal.example.com/metadata";
        let mut look = Look::new(Source {
            metadata_url: Some(url),
            key_set_url: Some("https://internal.example.com/keys"),
            ..source()
        });
        assert_eq!(look.step(), Step::Get(Document::Metadata, url));
        look.metadata(METADATA).unwrap();
        let keys = Step::Get(Document::KeySet, "https://internal.example.com/keys");
        assert_eq!(look.step(), keys);
        look.not_found();
        assert_eq!(look.step(), Step::Failed(LookFailure::NoKeys));
        let mut look = Look::new(Source {
            metadata_url: Some(url),
            ..source()
        });
        look.not_found();
        assert_eq!(look.step(), Step::Failed(LookFailure::NoMetadata));
    }

    #[test]
    fn a_key_set_without_usable_keys_replaces_nothing() {
        let mut look = Look::new(source());
        look.metadata(METADATA).unwrap();
        look.key_set(0, Some(600));
        assert_eq!(look.step(), Step::Failed(LookFailure::NoKeys));
    }

    #[test]
    fn metadata_without_keys_are_enough_where_nobody_looks_for_keys() {
        let mut look = Look::new(Source {
            finds_keys: false,
            ..source()
        });
        let metadata = look.metadata(br#"{"issuer":"https://id.example.com/mail"}"#);
        assert!(metadata.is_ok());
        assert_eq!(look.step(), Step::Found(None));
        let mut look = Look::new(source());
        let metadata = look.metadata(br#"{"issuer":"https://id.example.com/mail"}"#);
        assert!(metadata.is_ok());
        assert_eq!(look.step(), Step::Failed(LookFailure::NoKeySetUrl));
    }

    #[test]
    fn without_an_issuer_only_the_key_set_is_looked_for() {
        let mut source = source();
        source.issuer = None;
        source.metadata_url = Some(OPENID);
        let look = Look::new(source);
        assert_eq!(look.step(), Step::Failed(LookFailure::NoKeySetUrl));
        source.key_set_url = Some(KEYS);
        let look = Look::new(source);
        assert_eq!(look.step(), Step::Get(Document::KeySet, KEYS));
    }

    #[test]
    fn an_issuer_leaves_room_for_the_well_known_part() {
        let mut source = source();
        let long = std::format!("https://id.example.com/{}", "x".repeat(500));
        source.issuer = Some(&long);
        let look = Look::new(source);
        assert_eq!(look.step(), Step::Failed(LookFailure::UrlTooLong));
    }
}
