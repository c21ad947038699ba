//! TLS towards the servers.
//!
//! # Who decides what
//!
//! `[servers_tls]` is [`ServersTls`](crate::config::ServersTls): a mode and PEM texts, read and looked through with
//! the configuration (`config/tls.rs`), the CA of a Secret filled in later (`Config::live_with`). `app/servers_tls.rs`
//! makes a [`TlsClient`](crate::net::TlsClient) of it whenever it changes, and puts it into the
//! [`TlsCell`](crate::net::TlsCell) that every [`TokioRuntime`](crate::net::TokioRuntime) has a copy of: one for all
//! workers and the probes, so that they share the sessions that can be resumed. Settings that cannot be used change
//! nothing, and until the first that can be, a mode that wants certificates lets nobody through.
//!
//! # The login
//!
//! [`backend::connect`](crate::backend::connect) is the one place where servers are connected to: for pools, probes,
//! routines and KILL. If the greeting has CLIENT_SSL and the mode wants it, it sends the SSLRequest (the front of a
//! handshake response, [`encode_ssl_request`](crate::wire::encode_ssl_request)), has the runtime
//! [`secure`](crate::net::Runtime::secure) the stream, and goes on with the handshake response; sequence ids go on,
//! too. Bytes behind the greeting that came before TLS are an error: whoever wrote them, they are not protected.
//! With `preferred` a handshake that fails is followed by a connection without TLS, as to a server that does not offer
//! it.
//!
//! What is known of the server is the [`Channel`](crate::auth::Channel) of the exchange: verified TLS and unix sockets,
//! unverified TLS, or neither. In the modes that verify, the full exchange of `caching_sha2_password` ends the login
//! (`AuthError::Unverified`) on every channel but the first; TLS has failed long before, so this is the second lock. In
//! the others the password goes out, as it is over TLS, else under the RSA key that came, and
//! [`Exposure`](crate::auth::Exposure) says how: `net/tls/reminders.rs` lets one warning a server and hour into the log.
//! Plugins that send a password without a scramble (`mysql_clear_password`, `dialog`) are not spoken at all.
//!
//! # Who the server is
//!
//! During the handshake `net/tls/verify.rs` looks whether the certificate leads to the CA. Its names are looked at
//! after the handshake and before anything is sent: any of several will do (a pod has some by its headless Service,
//! `discovery/kubernetes/pods.rs`), and the error tells all that were expected and all that there are. That is also
//! done for a session that is resumed, whose certificate is the first handshake's. `preferred` and `required` take
//! any certificate, also one that could not be read.
//!
//! # The bytes
//!
//! `net/tls/state.rs` is rustls' state machine between two sets of buffers, without a socket: a driver lends it one
//! for the length of a call, which waits or does not (`Io`). So it owes nothing to tokio, and the tests cut its wire
//! into single bytes. What [`Stream`](crate::net::Stream) promises holds, with these turns:
//!
//! - Records without data (session tickets, key updates) are not readable: `readable` and `has_bytes` look into them.
//!   `has_news` may be true for them, and the read after it finds nothing.
//! - A write takes up to 64 KiB into records. What the socket does not take of them stays, counts as taken, and goes
//!   out with any later call, also one that reads: nobody waits for an answer to what was not sent. If the
//!   connection breaks before the socket took a byte of them they count as not taken, and are never sent: so a
//!   statement that no server can have seen is still known as such.
//! - An end without close_notify is an end: what MySQL's protocol needs is complete or it is not.
//! - Who waits owns no buffer: those of records are the thread's, lent while there is something in them. What was
//!   decrypted and not read is at most the records of one buffer.
//!
//! rustls keeps eight tickets of TLS 1.3 for a name, and each is good for one connection. `net/tls/sessions.rs`
//! keeps 256 for each name and port, for a pool that moves to another server.
