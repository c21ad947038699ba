//! What protects people whose browser reads the HTTP port from pages of other sites: headers of every answer, and
//! requests that are refused.

use hyper::header::{HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN};

/// The page loads nothing but its own files, runs nothing that stands in its text, and cannot make HTML of a text. Nobody
/// may show the page in a frame of another page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; \
                      require-trusted-types-for 'script'";

/// The header that a request to `/explain` must have. No form can send it, and a script of another site only with the
/// consent of this port, which never gives it.
const OWN: HeaderName = HeaderName::from_static("x-pointsman");

/// Adds the headers that restrict what browsers do with an answer.
pub(super) fn protect(headers: &mut HeaderMap) {
    for (name, value) in [
        ("content-security-policy", POLICY),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
}

/// True if a page of another site made the browser send the request, as far as the headers show. A link of another site
/// may be followed: that site does not see the answer.
///
/// Browsers send `Sec-Fetch-Site` with HTTPS and to the own machine only (Fetch Metadata, "potentially trustworthy URL").
/// Elsewhere `Origin` shows a script that wants to read the answer. Without either, as with an image of another site, that
/// site cannot read the answer.
pub(super) fn is_foreign(headers: &HeaderMap) -> bool {
    if !headers.contains_key("sec-fetch-site") {
        return comes_from_elsewhere(headers);
    }
    let is = |name: &str, words: &[&str]| {
        headers.get(name).is_some_and(|value| words.iter().any(|word| value.as_bytes() == word.as_bytes()))
    };
    let own = is("sec-fetch-site", &["same-origin", "none"]);
    let follows_link = is("sec-fetch-mode", &["navigate"]) && is("sec-fetch-dest", &["document"]);
    !own && !follows_link
}

/// True if `Origin` (RFC 6454: a scheme, "://", and what `Host` has) names another host or port than `Host`.
fn comes_from_elsewhere(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return false };
    let own = headers.get(HOST).and_then(|host| host.to_str().ok());
    let authority = origin.to_str().ok().and_then(|origin| Some(origin.split_once("://")?.1));
    match (own, authority) {
        (Some(own), Some(authority)) => !own.eq_ignore_ascii_case(authority),
        _ => true,
    }
}

/// True if the request can only come from the page itself, or from a client that is no browser.
pub(super) fn is_deliberate(headers: &HeaderMap) -> bool {
    headers.get(OWN).is_some_and(|value| value.as_bytes() == b"explain")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn foreign(given: &[(&'static str, &'static str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        is_foreign(&headers)
    }

    #[test]
    fn other_sites_read_nothing() {
        assert!(!foreign(&[]), "curl, Prometheus");
        let host = ("host", "db-proxy:9090");
        assert!(!foreign(&[host]));
        assert!(!foreign(&[host, ("origin", "http://db-proxy:9090")]), "the page itself");
        assert!(!foreign(&[host, ("origin", "https://DB-Proxy:9090")]), "behind an ingress with TLS");
        for other in ["http://evil.example", "http://db-proxy", "null", ""] {
            assert!(foreign(&[host, ("origin", other)]), "{other}");
        }
        assert!(foreign(&[("origin", "http://db-proxy:9090")]), "to an unknown host");
        for own in ["same-origin", "none"] {
            assert!(!foreign(&[("sec-fetch-site", own), ("sec-fetch-mode", "cors")]));
        }
        for other in ["cross-site", "same-site", "", "same-origin, cross-site"] {
            assert!(foreign(&[("sec-fetch-site", other), ("sec-fetch-mode", "cors")]), "{other}");
            assert!(foreign(&[("sec-fetch-site", other)]), "{other}");
            let frame = ("sec-fetch-dest", "iframe");
            assert!(foreign(&[("sec-fetch-site", other), ("sec-fetch-mode", "navigate"), frame]), "{other}");
            let link = ("sec-fetch-dest", "document");
            assert!(!foreign(&[("sec-fetch-site", other), ("sec-fetch-mode", "navigate"), link]), "{other}");
        }
    }
}
