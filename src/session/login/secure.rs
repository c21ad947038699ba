//! TLS with the client: the handshake in the middle of a login.

use super::entry::LoginPhase;
use super::identity::double_sha1;
use crate::auth::{Plugin, native_password};
use crate::backend::Credential;
use crate::client::ended_by;
use crate::net::{Buf, ClientTls, Runtime, Stream, TlsAcceptor, or_raised};
use crate::terms::{Close, Handshake, Refused, TlsVersion};
use crate::worker::Signals;
use crate::worker::admission::Fault;

impl<R: Runtime> LoginPhase<'_, R> {
    /// Encrypts the connection, after the client asked for it. What `buf` has was sent behind the request: it belongs to
    /// the handshake, and is never read as a packet: an attacker between the client and the proxy could have sent it.
    pub(super) async fn secure(&mut self, acceptor: &TlsAcceptor, buf: &mut Buf) -> Result<(), Close> {
        let begun = std::mem::replace(buf, Buf::with_room(512));
        let ending = Signals::KILLED | Signals::END | Signals::LOGIN | Signals::LEAVE;
        let handshake = self.client.stream.accept_tls(acceptor, begun.filled());
        match or_raised(&self.client.handle.signal, ending, handshake).await {
            Ok(Ok(tls)) => {
                let result = if tls.resumed { Handshake::Resumed } else { Handshake::Full };
                self.count_handshake(version_of(&tls), result);
                self.client.handle.tls.get_or_init(|| Box::new(tls));
                Ok(())
            }
            Ok(Err(error)) => {
                self.count_handshake(TlsVersion::Unknown, Handshake::Failed);
                self.client.handle.pass.borrow().failed(Fault::Handshake, &self.context.live().limits);
                self.note_refusal(Refused::Tls, b"");
                tracing::debug!(id = self.client.handle.id, peer = %self.client.handle.peer.get(), %error, "no TLS");
                Err(Close::LoginFailed)
            }
            Err(raised) => Err(ended_by(raised)),
        }
    }

    /// Returns what proves to the client that the certificate is the proxy's: the text of the OK packet that ends the
    /// login. Empty without TLS and without a password; and with other plugins than mysql_native_password and those that
    /// sign, with which clients of MariaDB log in here.
    ///
    /// `signer` is what a server would store of the password for the plugin that signed.
    pub(super) fn certificate_proof(
        &self,
        plugin: Option<Plugin>,
        signer: Option<Vec<u8>>,
        credential: &Credential,
    ) -> Vec<u8> {
        let Some(tls) = self.client.handle.tls.get() else { return Vec::new() };
        let double = || double_sha1(credential).filter(|_| plugin == Some(Plugin::NativePassword));
        let stored = signer.or_else(|| Some(double()?.to_vec()));
        let nonce = &self.client.greeted.nonce;
        stored
            .map(|stored| native_password::certificate_proof_by(&stored, nonce, &tls.fingerprint))
            .unwrap_or_default()
    }

    fn count_handshake(&self, version: TlsVersion, result: Handshake) {
        self.context.metrics.client_handshakes(version, result).add(1);
    }
}

fn version_of(tls: &ClientTls) -> TlsVersion {
    TlsVersion::ALL.iter().copied().find(|known| known.as_str() == tls.version).unwrap_or(TlsVersion::Unknown)
}
