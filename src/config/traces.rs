//! `[traces]`: which statements are traced, and where their spans go.

use std::fmt::{self, Formatter};
use std::sync::Arc;

use toml::de::DeValue;

use super::choice::Choice;
use super::reader::Section;
use super::secret::Secret;
use super::written::quoted;

/// The word for no traces.
const OFF: &str = "off";
/// Where collectors take spans, behind the path of the endpoint.
const PATH: &str = "/v1/traces";
/// The most `max_per_second`.
const MOST: u32 = 1_000_000;
/// The headers that the exporter writes itself.
const OWN_HEADERS: [&str; 5] = ["content-type", "content-length", "host", "connection", "transfer-encoding"];

/// `endpoint`: a collector that speaks OTLP over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceEndpoint {
    /// True for https.
    pub tls: bool,
    /// `host:port`
    pub authority: Arc<str>,
    /// The path of the endpoint, without the path of the spans; empty if there is none.
    pub base: Arc<str>,
}

impl TraceEndpoint {
    /// Parses a URL. The error says what is wrong, in words that follow the URL.
    fn parse(url: &str) -> Result<Self, &'static str> {
        let (tls, rest) = match url.split_once("://") {
            Some(("http", rest)) => (false, rest),
            Some(("https", rest)) => (true, rest),
            _ => return Err("is no HTTP URL"),
        };
        let at = rest.find('/').unwrap_or(rest.len());
        let (authority, base) = rest.split_at(at);
        // A colon before the closing bracket belongs to an IPv6 address.
        let port = authority.rsplit_once(':').filter(|(_, port)| !port.contains(']'));
        // 4318 is the port of OTLP over HTTP.
        let (host, port) =
            port.map_or((authority, Some(4318)), |(host, port)| (host, port.parse::<u16>().ok()));
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~/%".contains(c);
        let is_host = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
        if host.is_empty() || !host.chars().all(is_host) || !base.chars().all(is_plain) {
            return Err("has no host, or more than host, port and path");
        }
        let Some(port) = port else { return Err("has no port that is one") };
        let base = base.trim_end_matches('/');
        let base = base.strip_suffix(PATH).unwrap_or(base).into();
        Ok(TraceEndpoint { tls, authority: format!("{host}:{port}").into(), base })
    }

    /// Returns the URL to which spans are posted.
    pub fn url(&self) -> String {
        format!("{self}{PATH}")
    }

    /// Returns the host's name, as a certificate has it.
    pub fn host(&self) -> &str {
        self.authority.rsplit_once(':').map_or(&*self.authority, |(host, _)| host)
    }
}

impl fmt::Display for TraceEndpoint {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", if self.tls { "https" } else { "http" }, self.authority, self.base)
    }
}

/// `unsampled_parent`: what becomes of a statement whose client says that it does not record its own span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnsampledParent {
    /// It is not traced.
    Skip,
    /// It is traced if its trace is among the share that `ratio` says. For clients that always say so.
    Ratio,
}

impl Choice for UnsampledParent {
    const WORDS: &'static [(&'static str, Self)] =
        &[("skip", UnsampledParent::Skip), ("ratio", UnsampledParent::Ratio)];
}

/// `[traces]`
#[derive(Debug, Clone, PartialEq)]
pub struct TraceSettings {
    /// `endpoint`; None: no statement is traced.
    pub endpoint: Option<TraceEndpoint>,
    /// `ratio`: the share of the statements without a parent that is traced; default 0.01.
    pub ratio: f64,
    /// `unsampled_parent`; default "skip".
    pub unsampled_parent: UnsampledParent,
    /// `max_per_second`: the most statements that are traced in a second; default 1,000.
    pub max_per_second: u32,
    /// `service_name`; default "pointsman".
    pub service_name: Arc<str>,
    /// `ca_file`, as written.
    pub ca_file: Option<Arc<str>>,
    /// The CA certificates (PEM) that the collector's certificate is checked with; None: those of the machine.
    pub ca: Option<Secret>,
    /// `headers_file`, as written.
    pub headers_file: Option<Arc<str>>,
    /// Headers that the collector wants, one in a line.
    pub headers: Option<Secret>,
}

impl Default for TraceSettings {
    fn default() -> Self {
        TraceSettings {
            endpoint: None,
            ratio: 0.01,
            unsampled_parent: UnsampledParent::Skip,
            max_per_second: 1_000,
            service_name: "pointsman".into(),
            ca_file: None,
            ca: None,
            headers_file: None,
            headers: None,
        }
    }
}

impl TraceSettings {
    /// Returns the names and values of the headers that the collector wants.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let text = self.headers.as_ref().map_or("", Secret::expose);
        header_lines(text).filter_map(Result::ok)
    }

    pub(super) fn read(s: &Section<'_>) -> Self {
        let default = TraceSettings::default();
        let service_name = s.text("service_name").map(|(name, line)| {
            if name.is_empty() || name.chars().any(char::is_control) {
                s.problem(Some(line), "service_name", "is empty, or has a control character; write a name");
            }
            name.into()
        });
        let (ca_file, ca) = file(s, "ca_file");
        let (headers_file, headers) = file(s, "headers_file");
        if let Some(text) = &headers
            && header_lines(text.expose()).any(|line| line.is_err())
        {
            // The message must not show the line, which may be a token.
            let text = "has a line that is no header; write lines like \"authorization: Bearer …\"";
            s.problem(s.get("headers_file").map(|found| found.line), "headers_file", text);
        }
        TraceSettings {
            endpoint: endpoint(s),
            ratio: ratio(s).unwrap_or(default.ratio),
            unsampled_parent: s.choice("unsampled_parent", default.unsampled_parent),
            max_per_second: s.count_up_to("max_per_second", 1, MOST).unwrap_or(default.max_per_second),
            service_name: service_name.unwrap_or(default.service_name),
            ca_file,
            ca,
            headers_file,
            headers,
        }
    }

    pub(super) fn write(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let endpoint = self.endpoint.as_ref().map_or(OFF.to_owned(), TraceEndpoint::to_string);
        writeln!(f, "\n[traces]\nendpoint = {}\nratio = {:?}", quoted(&endpoint), self.ratio)?;
        writeln!(f, "unsampled_parent = {}", quoted(self.unsampled_parent.word()))?;
        writeln!(f, "max_per_second = {}", self.max_per_second)?;
        writeln!(f, "service_name = {}", quoted(&self.service_name))?;
        for (key, file) in [("ca_file", &self.ca_file), ("headers_file", &self.headers_file)] {
            if let Some(file) = file {
                writeln!(f, "{key} = {}", quoted(file))?;
            }
        }
        Ok(())
    }
}

/// Returns the name of a file as written, and its content.
fn file(s: &Section<'_>, key: &'static str) -> (Option<Arc<str>>, Option<Secret>) {
    let Some((path, line)) = s.text(key) else { return (None, None) };
    let content = s.file(key, &path, line);
    (Some(path.into()), content)
}

/// Returns the headers of a file: one in a line, without the lines that are empty or begin with `#`.
fn header_lines(text: &str) -> impl Iterator<Item = Result<(&str, &str), ()>> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| {
        let (name, value) = line.split_once(':').ok_or(())?;
        let (name, value) = (name.trim(), value.trim());
        let is_name = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        let is_own = OWN_HEADERS.iter().any(|own| name.eq_ignore_ascii_case(own));
        let is_right = !name.is_empty()
            && name.bytes().all(is_name)
            && !is_own
            && value.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
        is_right.then_some((name, value)).ok_or(())
    })
}

fn endpoint(s: &Section<'_>) -> Option<TraceEndpoint> {
    let (url, line) = s.text("endpoint").filter(|(url, _)| url != OFF)?;
    match TraceEndpoint::parse(&url) {
        Ok(endpoint) => Some(endpoint),
        Err(wrong) => {
            // The message does not show the URL, which may contain a password or a token.
            let text = format!("{wrong}; write \"http://collector:4318\", or \"off\"");
            s.problem(Some(line), "endpoint", text);
            None
        }
    }
}

/// Reads a number from 0 to 1.
fn ratio(s: &Section<'_>) -> Option<f64> {
    let found = s.get("ratio")?;
    let number = match found.value {
        DeValue::Float(number) => number.as_str().replace('_', "").parse::<f64>().ok(),
        DeValue::Integer(number) => number.as_str().parse::<f64>().ok(),
        _ => None,
    };
    let fits = number.filter(|number| (0.0..=1.0).contains(number));
    if fits.is_none() {
        s.problem(Some(found.line), "ratio", "is no share; write a number from 0 to 1, like 0.01");
    }
    fits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_the_collectors_or_that_of_its_spans() {
        for (url, posted) in [
            ("http://collector:4318", "http://collector:4318/v1/traces"),
            ("http://collector", "http://collector:4318/v1/traces"),
            ("http://collector:4318/", "http://collector:4318/v1/traces"),
            ("http://collector:4318/v1/traces", "http://collector:4318/v1/traces"),
            ("https://[::1]:443/otlp/", "https://[::1]:443/otlp/v1/traces"),
        ] {
            assert_eq!(TraceEndpoint::parse(url).unwrap().url(), posted);
        }
        assert_eq!(TraceEndpoint::parse("https://[::1]:443").unwrap().host(), "[::1]");
        for url in [
            "collector:4318",
            "grpc://collector:4317",
            "http://",
            "http://:4318",
            "http://collector:x",
            "http://user:password@collector",
            "http://collector/?token=1",
            "http://collector/a b",
        ] {
            assert!(TraceEndpoint::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn headers_are_lines() {
        let read = |text| header_lines(text).collect::<Result<Vec<_>, ()>>();
        let two = "# for the collector\nauthorization: Bearer a:b\n\nx-tenant:shop\r\n";
        assert_eq!(read(two), Ok(vec![("authorization", "Bearer a:b"), ("x-tenant", "shop")]));
        for wrong in ["no header", ": value", "a b: c", "Host: x", "content-length: 1", "a: \u{e9}"] {
            assert_eq!(read(wrong), Err(()), "{wrong}");
        }
    }
}
