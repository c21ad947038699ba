//! What the proxy reads in a certificate: the names of its subject and its issuer, and when it ends.

use std::fmt::Write;
use std::net::IpAddr;
use std::time::SystemTime;

use rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::der::asn1::{Ia5StringRef, PrintableStringRef, TeletexStringRef, Utf8StringRef};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::name::Name;

/// The names in a client's certificate, in the form that `REQUIRE SUBJECT` and `REQUIRE ISSUER` of a server compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// Whose certificate it is.
    pub subject: Box<str>,
    /// Who issued it.
    pub issuer: Box<str>,
}

impl Names {
    /// Reads the names. None: they cannot be read, or cannot be written without ambiguity.
    pub fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let certificate = Certificate::from_der(certificate).ok()?;
        let tbs = certificate.tbs_certificate();
        Some(Names { subject: one_line(tbs.subject())?, issuer: one_line(tbs.issuer())? })
    }
}

/// The short names that OpenSSL has for the parts of a name (`crypto/objects/objects.txt`). A name with other parts never
/// matches.
const SHORT_NAMES: &[(&str, &str)] = &[
    ("2.5.4.3", "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "street"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "title"),
    ("2.5.4.42", "GN"),
    ("2.5.4.43", "initials"),
    ("2.5.4.46", "dnQualifier"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
];

/// What a person wants to know of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// The DNS names and IP addresses that it is for; if it has none, its subject.
    pub names: Vec<String>,
    /// When it ends.
    pub not_after: SystemTime,
    /// The same, as a text of RFC 3339.
    pub ends: String,
}

impl CertificateFacts {
    /// Reads a certificate. None: it cannot be read.
    pub fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let certificate = Certificate::from_der(certificate).ok()?;
        let tbs = certificate.tbs_certificate();
        let not_after = tbs.validity().not_after;
        let mut names = Vec::new();
        if let Ok(Some((_, SubjectAltName(all)))) = tbs.get_extension::<SubjectAltName>() {
            names.extend(all.iter().filter_map(shown));
        }
        if names.is_empty() {
            names.push(tbs.subject().to_string());
        }
        let ends = not_after.to_date_time().to_string();
        Some(CertificateFacts { names, not_after: not_after.to_system_time(), ends })
    }
}

fn shown(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(name.to_string()),
        GeneralName::IpAddress(bytes) => {
            let bytes = bytes.as_bytes();
            let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
            v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok().map(|ip| ip.to_string())
        }
        _ => None,
    }
}

/// Writes a name as OpenSSL's `X509_NAME_oneline` does, which is what servers compare: `/C=DE/O=Example/CN=app`.
///
/// That form is ambiguous: the single value `app/O=Example` looks like two. A certificate of such a name never matches,
/// neither does one with a control character or a character outside of ASCII, for which servers have several spellings.
fn one_line(name: &Name) -> Option<Box<str>> {
    let mut text = String::new();
    for part in name.iter_rdn().flat_map(|rdn| rdn.iter()) {
        let value = &part.value;
        let decoded = None
            .or_else(|| Utf8StringRef::try_from(value).ok().map(|text| text.as_str().to_owned()))
            .or_else(|| PrintableStringRef::try_from(value).ok().map(|text| text.as_str().to_owned()))
            .or_else(|| Ia5StringRef::try_from(value).ok().map(|text| text.as_str().to_owned()))
            .or_else(|| TeletexStringRef::try_from(value).ok().map(|text| text.as_str().to_owned()))?;
        if !decoded.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'/') {
            return None;
        }
        let oid = part.oid.to_string();
        let (_, key) = SHORT_NAMES.iter().find(|(known, _)| *known == oid)?;
        write!(text, "/{key}={decoded}").ok()?;
    }
    Some(text.into())
}
