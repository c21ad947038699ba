//! Which format of `/metrics` a scraper wants, by its `Accept` header (RFC 9110, 12.5.1).

use hyper::HeaderMap;
use hyper::header::ACCEPT;

/// Returns true if a scraper prefers Prometheus's protobuf format to the text formats. A Prometheus that stores native
/// histograms does.
pub(super) fn prefers_protobuf(headers: &HeaderMap) -> bool {
    let (mut protobuf, mut text) = (0.0, 0.0);
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    for range in values.flat_map(|value| value.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let parameter = |wanted: &str| {
            let named = parts.clone().filter_map(|part| part.split_once('='));
            named
                .filter(|(name, _)| name.eq_ignore_ascii_case(wanted))
                .map(|(_, value)| value.trim_matches('"'))
                .next()
        };
        let quality: f32 = parameter("q").map_or(1.0, |q| q.parse().unwrap_or(0.0));
        match kind.to_ascii_lowercase().as_str() {
            "application/vnd.google.protobuf"
                if parameter("proto") == Some("io.prometheus.client.MetricFamily")
                    && parameter("encoding") == Some("delimited") =>
            {
                protobuf = quality.max(protobuf);
            }
            "application/openmetrics-text" | "text/plain" => text = quality.max(text),
            _ => {}
        }
    }
    protobuf > text
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn prefers(values: &[&'static str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(ACCEPT, HeaderValue::from_static(value));
        }
        prefers_protobuf(&headers)
    }

    #[test]
    fn a_scraper_gets_the_format_that_it_names_first() {
        // Prometheus 3 with and without `scrape_native_histograms`.
        let native = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,\
                      application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
                      application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;q=0.3,*/*;q=0.1";
        let usual = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                     application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.4,\
                     application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.2,*/*;q=0.1";
        assert!(prefers(&[native]) && !prefers(&[usual]));
        let only = "Application/vnd.google.protobuf; Proto=\"io.prometheus.client.MetricFamily\"; encoding=delimited";
        assert!(prefers(&[only]) && prefers(&["text/plain;q=0.5", only]) && !prefers(&["text/plain", only]));
    }

    #[test]
    fn all_others_get_text() {
        for accept in [
            "",
            "*/*",
            "application/vnd.google.protobuf",
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text",
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0",
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=NaN",
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=x",
            ",;=;,q=1;;",
        ] {
            assert!(!prefers(&[accept]), "{accept}");
        }
        assert!(!prefers(&[]));
    }
}
