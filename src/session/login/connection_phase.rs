//! The connection phase from accept to the first command.

use super::phase::GreetingAnswer;
use crate::net::{Algorithm, Buf, Compressed, Runtime, Stream};
use crate::session::Session;
use crate::terms::Close;
use crate::wire::Capabilities;

impl<R: Runtime> Session<R> {
    /// Does all that precedes the client's first command. Returns what the client has already sent after its login.
    pub(in crate::session) async fn connection_phase(&mut self) -> Result<Buf, Close> {
        let done = self.greet_and_log_in().await;
        if let Err(close) = done {
            self.login_phase().login_ended(close);
        }
        done
    }

    async fn greet_and_log_in(&mut self) -> Result<Buf, Close> {
        match self.login_phase().begin().await? {
            GreetingAnswer::Claim { claim, mut buf, seq } => {
                self.log_in_as(claim, false, &mut buf, seq).await?;
                if let Some(how) = compression(self.client.capabilities, self.client.zstd_level) {
                    self.client.stream.compress(how, buf.filled());
                    buf.clear();
                }
                Ok(buf)
            }
            GreetingAnswer::Before41(response) => Err(Box::pin(self.serve_before_41(response)).await),
        }
    }
}

/// Returns how a connection with these capability flags is compressed. With both flags zlib is used, as servers do.
fn compression(agreed: Capabilities, zstd_level: u8) -> Option<Compressed> {
    let algorithm = if agreed.contains(Capabilities::COMPRESS) {
        Algorithm::Zlib
    } else if agreed.contains(Capabilities::ZSTD_COMPRESSION_ALGORITHM) {
        Algorithm::Zstd(zstd_level)
    } else {
        return None;
    };
    Some(Compressed { algorithm, to_server: false })
}
