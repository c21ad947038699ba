//! The files of the page. They hold no data, so they need no token.

use hyper::body::Bytes;

/// A file: its type and its text.
pub(super) type Asset = (&'static str, Bytes);

/// One script for one request; its parts are files of their own for those who read them.
const SCRIPT: &str = concat!(
    include_str!("page/elements.js"),
    include_str!("page/servers.js"),
    include_str!("page/charts.js"),
    include_str!("page/tables.js"),
    include_str!("page/stream.js"),
);

/// Returns the file at a path.
pub(super) fn asset(path: &str) -> Option<Asset> {
    let (kind, text) = match path {
        "/" => ("text/html; charset=utf-8", include_str!("page/index.html")),
        "/page.css" => ("text/css; charset=utf-8", include_str!("page/page.css")),
        "/page.js" => ("text/javascript; charset=utf-8", SCRIPT),
        _ => return None,
    };
    Some((kind, Bytes::from_static(text.as_bytes())))
}
