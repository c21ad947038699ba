//! What `[servers_tls]` comes to, for those who connect to servers: made anew when it changes.

use std::sync::Arc;

use tokio::sync::watch;

use crate::config::{Live, ServersTls};
use crate::net::{TlsCell, TlsClient};

/// Sets the cell now, and whenever the settings change, until nobody can change them any more.
pub(super) fn follow(cell: TlsCell, mut live: watch::Receiver<Arc<Live>>) {
    let mut used = live.borrow_and_update().servers_tls.clone();
    // Whatever is wrong with the certificates, nothing goes out that is less protected than it should be.
    cell.set(TlsClient::unready(used.mode));
    set(&cell, &used);
    tokio::task::spawn_local(async move {
        while live.changed().await.is_ok() {
            let now = live.borrow_and_update().servers_tls.clone();
            if now != used {
                set(&cell, &now);
                used = now;
            }
        }
    });
}

/// Certificates in files were looked through with the configuration; those in a Secret were not. What cannot be used
/// changes nothing.
fn set(cell: &TlsCell, settings: &ServersTls) {
    match TlsClient::new(settings) {
        Ok(client) => cell.set(client),
        Err(error) => {
            tracing::error!("servers_tls: {error}; connections to servers are encrypted as before");
        }
    }
}
