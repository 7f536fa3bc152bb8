//! A server on loopback that speaks TLS and presents what a test wants, or does not speak it at all.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

/// What the server presents, and does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Presented {
    /// A certificate of the test's authority, for 127.0.0.1.
    Good,
    /// The same, whose time is over.
    Expired,
    /// The same, whose time is to come.
    NotYetValid,
    /// The same, for another name.
    ForAnotherName,
    /// One that vouches for itself.
    SelfSigned,
    /// One that vouches for itself and is an authority's, as `openssl req -x509` makes it.
    SelfSignedAuthority,
    /// The good one, but clients have to present one themselves.
    WantsClientCertificate,
    /// It answers in clear what it does not understand, as HTTP servers do.
    Clear,
    /// It closes each connection at once.
    Closes,
    /// It takes connections and says nothing.
    Silent,
    /// It takes no connection: its queue is full.
    Full,
}

/// The server. Its threads end with the test's process.
pub struct TlsServer {
    address: SocketAddr,
    authority: String,
    certificate: String,
    /// What keeps its queue full.
    _waiting: Vec<TcpStream>,
}

impl TlsServer {
    /// Listens on a free port. Whoever speaks HTTP to it gets 404.
    ///
    /// # Errors
    /// When it cannot.
    pub fn start(presented: Presented) -> io::Result<Self> {
        let made = make(presented).map_err(io::Error::other)?;
        let listener = listen(presented)?;
        let address = listener.local_addr()?;
        let mut waiting = Vec::new();
        match presented {
            Presented::Full => {
                // A backlog of nought has room for one; the kernel drops whoever comes next.
                waiting.push(TcpStream::connect(address)?);
                thread::spawn(move || {
                    let _listener = listener;
                    thread::park();
                });
            }
            _ => drop(thread::spawn(move || {
                let mut kept = Vec::new();
                for mut stream in listener.incoming().flatten() {
                    match presented {
                        Presented::Clear => {
                            // A client that has gone is no fault.
                            let _ = stream.read(&mut [0; 16 << 10]);
                            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
                        }
                        Presented::Closes => {}
                        Presented::Silent => kept.push(stream),
                        _ => {
                            let config = Arc::clone(&made.config);
                            thread::spawn(move || converse(stream, config));
                        }
                    }
                }
            })),
        }
        Ok(Self {
            address,
            authority: made.authority,
            certificate: made.certificate,
            _waiting: waiting,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn issuer(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The certificate of the authority, in PEM.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The certificate that it presents, in PEM.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }
}

fn listen(presented: Presented) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    socket.listen(if presented == Presented::Full { 0 } else { 64 })?;
    Ok(socket.into())
}

fn converse(stream: TcpStream, config: Arc<ServerConfig>) -> io::Result<()> {
    let tls = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut stream = BufReader::new(StreamOwned::new(tls, stream));
    let mut line = String::new();
    while stream.read_line(&mut line)? > 0 {
        if line.trim_end().is_empty() {
            let answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
            stream.get_mut().write_all(answer)?;
        }
        line.clear();
    }
    Ok(())
}

struct Made {
    config: Arc<ServerConfig>,
    authority: String,
    certificate: String,
}

fn make(presented: Presented) -> Result<Made, Box<dyn std::error::Error + Send + Sync>> {
    let authority_key = KeyPair::generate()?;
    let mut params = CertificateParams::new([])?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
        .distinguished_name
        .push(DnType::CommonName, "the authority of a test");
    let authority = params.self_signed(&authority_key)?;
    let issuer = Issuer::new(params, authority_key);

    let name = match presented {
        Presented::ForAnotherName => "elsewhere.test",
        _ => "127.0.0.1",
    };
    let mut params = CertificateParams::new([name.to_owned()])?;
    params.distinguished_name.push(DnType::CommonName, name);
    match presented {
        Presented::Expired => params.not_after = date_time_ymd(2021, 1, 1),
        Presented::NotYetValid => params.not_before = date_time_ymd(2199, 1, 1),
        Presented::SelfSignedAuthority => {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        _ => {}
    }
    let key = KeyPair::generate()?;
    let certificate = match presented {
        Presented::SelfSigned | Presented::SelfSignedAuthority => params.self_signed(&key)?,
        _ => params.signed_by(&key, &issuer)?,
    };
    let provider = Arc::new(default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    let builder = if presented == Presented::WantsClientCertificate {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(authority.der().to_vec()))?;
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
        builder.with_client_cert_verifier(verifier.build()?)
    } else {
        builder.with_no_client_auth()
    };
    let chain = vec![CertificateDer::from(certificate.der().to_vec())];
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    Ok(Made {
        config: Arc::new(builder.with_single_cert(chain, key.into())?),
        authority: authority.pem(),
        certificate: certificate.pem(),
    })
}
