//! `[listeners.tls]`: how connections of clients are encrypted; and the keys of `[[users]]` that say what a user's
//! connection must have.

use std::collections::HashMap;
use std::fmt::{self, Formatter};
use std::sync::Arc;

use rustls::RootCertStore;

use super::choice::Choice;
use super::reader::Section;
use super::secret::{Account, ListenerPart, Secret, SecretRef, SecretUse};
use super::tls::{self, Identity};
use super::written::{quoted, word, write_text};

/// `[listeners.tls]`
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ClientsTls {
    /// Default `preferred`.
    pub mode: ClientsTlsMode,
    /// The listener's certificate; None: the certificate that the process makes for itself.
    pub identity: Option<Identity>,
    /// `client_ca_file`, as written.
    pub client_ca_file: Option<Arc<str>>,
    /// The certificates of the CA that issues clients' certificates, as PEM; None: no CA is configured, or its Secret is
    /// not known yet.
    pub client_ca: Option<Secret>,
    /// Default `off`, or `if_given` if there is a CA.
    pub verify_client: VerifyClient,
}

/// `listeners.tls.mode`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientsTlsMode {
    /// TLS is not offered.
    Disabled,
    /// TLS is offered, and the client decides.
    #[default]
    Preferred,
    /// A client without TLS is refused, as by `require_secure_transport = ON` of a server.
    Required,
}

impl Choice for ClientsTlsMode {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("disabled", ClientsTlsMode::Disabled),
        ("preferred", ClientsTlsMode::Preferred),
        ("required", ClientsTlsMode::Required),
    ];
}

/// `listeners.tls.verify_client`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VerifyClient {
    /// Clients are not asked for a certificate.
    #[default]
    Off,
    /// Clients are asked for a certificate. One that the CA did not issue ends the handshake.
    IfGiven,
    /// A client without a certificate of the CA cannot complete the handshake.
    Required,
}

impl Choice for VerifyClient {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("off", VerifyClient::Off),
        ("if_given", VerifyClient::IfGiven),
        ("required", VerifyClient::Required),
    ];
}

/// What a user's connection must have, as `REQUIRE SSL`, `X509`, `SUBJECT` and `ISSUER` of an account on a server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Requirements {
    /// `require_tls`: TLS. All others include it.
    pub tls: bool,
    /// `require_certificate`: a certificate that the listener's `client_ca_file` issued.
    pub certificate: bool,
    /// `require_subject`: such a certificate, of this subject.
    pub subject: Option<Arc<str>>,
    /// `require_issuer`: such a certificate, of this issuer.
    pub issuer: Option<Arc<str>>,
}

impl Requirements {
    /// True if a client needs a certificate.
    pub fn needs_certificate(&self) -> bool {
        self.certificate || self.subject.is_some() || self.issuer.is_some()
    }
}

impl ClientsTls {
    /// Returns the certificates of the clients' CA; empty without a CA. The error says what is wrong, in words that follow
    /// the name of the CA.
    pub fn roots(&self) -> Result<RootCertStore, String> {
        tls::roots(self.client_ca.as_ref()).map(|(roots, _)| roots)
    }

    /// Puts in what a Secret has for this listener.
    pub(super) fn fill(&mut self, part: &ListenerPart, value: Secret) {
        match (part, &mut self.identity) {
            (ListenerPart::ClientCa, _) => self.client_ca = Some(value),
            (ListenerPart::Certificate, Some(identity)) => identity.cert = value,
            (ListenerPart::Key, Some(identity)) => identity.key = value,
            (ListenerPart::Certificate | ListenerPart::Key, None) => {}
        }
    }
}

/// Reads `[listeners.tls]`.
pub(super) fn clients_tls(s: &Section<'_>, listener: &Arc<str>) -> ClientsTls {
    let mode = s.choice("mode", ClientsTlsMode::Preferred);
    let identity = identity(s, listener);
    let client_ca_file = s.text("client_ca_file");
    let client_ca = client_ca_file.as_ref().and_then(|(path, line)| s.file("client_ca_file", path, *line));
    let in_secret = s.get("client_ca_secret");
    if let (Some(_), Some(found)) = (&client_ca_file, &in_secret) {
        s.problem(
            Some(found.line),
            "client_ca_secret",
            "stands beside client_ca_file; write only one of them",
        );
    } else if in_secret.is_some() {
        let account = Account::Listener(listener.clone(), ListenerPart::ClientCa);
        s.named_secret("client_ca_secret", account, "my-clients-ca/ca.crt");
    }
    let has_ca = client_ca_file.is_some() || in_secret.is_some();
    let verify_client =
        s.choice("verify_client", if has_ca { VerifyClient::IfGiven } else { VerifyClient::Off });
    if verify_client != VerifyClient::Off && !has_ca {
        let line = s.get("verify_client").map(|found| found.line);
        let text =
            format!("is {:?}, which needs the clients' CA; write client_ca_file", verify_client.word());
        s.problem(line, "verify_client", text);
    }
    let client_ca_file = client_ca_file.map(|(path, _)| path.into());
    let read = ClientsTls { mode, identity, client_ca_file, client_ca, verify_client };
    if let Err(wrong) = read.roots() {
        s.problem(s.get("client_ca_file").map(|found| found.line), "client_ca_file", wrong);
    }
    read
}

/// Reads the listener's certificate: `cert_file` and `key_file`, or `secret`.
fn identity(s: &Section<'_>, listener: &Arc<str>) -> Option<Identity> {
    let in_files = tls::identity(s);
    let Some((name, line)) = s.text("secret") else {
        return in_files.filter(|identity| tls::is_usable(s, identity));
    };
    if s.get("cert_file").is_some() || s.get("key_file").is_some() {
        s.problem(Some(line), "secret", "stands beside cert_file and key_file; write either of them");
        return None;
    }
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c)) {
        let text =
            format!("{name:?} is no name of a Secret; write the name of one of type kubernetes.io/tls");
        s.problem(Some(line), "secret", text);
        return None;
    }
    let name: Arc<str> = name.into();
    for (part, key) in [(ListenerPart::Certificate, "tls.crt"), (ListenerPart::Key, "tls.key")] {
        let at = SecretRef { name: name.clone(), key: key.into() };
        let account = Account::Listener(listener.clone(), part);
        s.reader.secret(SecretUse { account, at }, line, s.path_of("secret"));
    }
    let place = |key| format!("{key} of the Secret {name}").into();
    Some(Identity {
        cert_file: place("tls.crt"),
        key_file: place("tls.key"),
        cert: Secret::default(),
        key: Secret::default(),
    })
}

/// Reads the keys of `[[users]]` that concern TLS.
pub(super) fn requirements(s: &Section<'_>) -> Requirements {
    let name = |key: &'static str| {
        let (name, line) = s.text(key)?;
        if !name.starts_with('/') || !name.contains('=') {
            let text = format!(
                "{name:?} is no name of a certificate; write it as openssl x509 -nameopt compat does: \"/O=Example/CN=app\""
            );
            s.problem(Some(line), key, text);
        }
        Some(name.into())
    };
    Requirements {
        tls: s.flag("require_tls").unwrap_or(false),
        certificate: s.flag("require_certificate").unwrap_or(false),
        subject: name("require_subject"),
        issuer: name("require_issuer"),
    }
}

/// Writes `[listeners.tls]`, unless all of it is the default.
pub(super) fn write(
    f: &mut Formatter<'_>,
    listener: &Arc<str>,
    all: &HashMap<Arc<str>, ClientsTls>,
    secrets: &[SecretUse],
) -> fmt::Result {
    let Some(tls) = all.get(listener).filter(|tls| **tls != ClientsTls::default()) else { return Ok(()) };
    let named = |part| {
        let account = Account::Listener(listener.clone(), part);
        secrets.iter().find(|used| used.account == account).map(|used| &used.at)
    };
    writeln!(f, "[listeners.tls]\nmode = {}", word(tls.mode))?;
    match (named(ListenerPart::Certificate), &tls.identity) {
        (Some(at), _) => write_text(f, "secret", Some(&at.name))?,
        (None, Some(identity)) => {
            writeln!(
                f,
                "cert_file = {}\nkey_file = {}",
                quoted(&identity.cert_file),
                quoted(&identity.key_file)
            )?;
        }
        (None, None) => {}
    }
    write_text(f, "client_ca_file", tls.client_ca_file.as_deref())?;
    write_text(f, "client_ca_secret", named(ListenerPart::ClientCa).map(SecretRef::to_string).as_deref())?;
    writeln!(f, "verify_client = {}", word(tls.verify_client))
}

/// Writes the keys of `[[users]]` that concern TLS.
pub(super) fn write_requirements(f: &mut Formatter<'_>, required: &Requirements) -> fmt::Result {
    for (key, _) in [("require_tls", required.tls), ("require_certificate", required.certificate)]
        .iter()
        .filter(|(_, on)| *on)
    {
        writeln!(f, "{key} = true")?;
    }
    write_text(f, "require_subject", required.subject.as_deref())?;
    write_text(f, "require_issuer", required.issuer.as_deref())
}
