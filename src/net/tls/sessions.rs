//! TLS sessions that can be resumed. A ticket of TLS 1.3 can be used only once, and after a failover a whole pool
//! connects to one server at the same time. The store of rustls does not suffice: it keeps only 8 tickets for each
//! server, and its key is the server's name alone. Servers on several ports of one host have the same name, and a
//! ticket of another server costs a full handshake.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use rustls::NamedGroup;
use rustls::client::{
    ClientSessionMemoryCache, ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue,
};
use rustls::pki_types::ServerName;
use tokio::sync::watch;

/// The number of rustls' stores for each server, with 8 tickets each.
const STORES: usize = 32;
/// The most servers that are remembered at a time.
const SERVERS: usize = 64;

/// Sessions by the server's name and port.
type ByServer = HashMap<(ServerName<'static>, u16), Arc<TlsSessions>>;

/// The sessions with each server. Clones share the same data.
#[derive(Debug, Clone, Default)]
pub(super) struct AllSessions(Arc<watch::Sender<ByServer>>);

impl AllSessions {
    /// Returns the sessions with this server.
    pub fn with(&self, name: &ServerName<'static>, port: u16) -> Arc<TlsSessions> {
        let key = (name.clone(), port);
        if let Some(known) = self.0.borrow().get(&key) {
            return known.clone();
        }
        let mut sessions = Arc::default();
        self.0.send_if_modified(|all| {
            if all.len() >= SERVERS {
                // Pods come and go under new names. Existing servers soon send new tickets.
                all.clear();
            }
            sessions = all.entry(key).or_default().clone();
            false
        });
        sessions
    }
}

/// The sessions with one server.
#[derive(Debug)]
pub(super) struct TlsSessions {
    stores: Vec<ClientSessionMemoryCache>,
    /// The number of tickets stored so far: selects the store for the next ticket, so that tickets are spread evenly.
    next: AtomicUsize,
}

impl Default for TlsSessions {
    fn default() -> Self {
        let stores = (0..STORES).map(|_| ClientSessionMemoryCache::new(1)).collect();
        TlsSessions { stores, next: AtomicUsize::new(0) }
    }
}

impl ClientSessionStore for TlsSessions {
    fn set_kx_hint(&self, name: ServerName<'static>, group: NamedGroup) {
        self.stores.iter().take(1).for_each(|store| store.set_kx_hint(name.clone(), group));
    }

    fn kx_hint(&self, name: &ServerName<'_>) -> Option<NamedGroup> {
        self.stores.first()?.kx_hint(name)
    }

    fn set_tls12_session(&self, name: ServerName<'static>, value: Tls12ClientSessionValue) {
        if let Some(store) = self.stores.first() {
            store.set_tls12_session(name, value);
        }
    }

    fn tls12_session(&self, name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.stores.first()?.tls12_session(name)
    }

    fn remove_tls12_session(&self, name: &ServerName<'static>) {
        self.stores.iter().take(1).for_each(|store| store.remove_tls12_session(name));
    }

    fn insert_tls13_ticket(&self, name: ServerName<'static>, value: Tls13ClientSessionValue) {
        let at = self.next.fetch_add(1, Relaxed) % STORES;
        if let Some(store) = self.stores.get(at) {
            store.insert_tls13_ticket(name, value);
        }
    }

    fn take_tls13_ticket(&self, name: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        // The newest first: older tickets are more likely to have expired.
        let newest = self.next.load(Relaxed).wrapping_add(STORES - 1);
        let order = (0..STORES).map(|back| newest.wrapping_sub(back) % STORES);
        order.filter_map(|at| self.stores.get(at)).find_map(|store| store.take_tls13_ticket(name))
    }
}
