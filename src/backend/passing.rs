//! A connection to a server on which a client logs in itself: the proxy sends the handshake response, and passes on what
//! the server and the client's plugin say to each other.

use std::sync::Arc;

use super::connect::{
    MAX_LOGIN_PACKET, MAX_PACKET, ReachedServer, ZSTD_LEVEL, about, algorithm, channel, may_be_the_header,
    reach, send,
};
use super::{About, Class, ConnectError, Connection, Introduction, ServerError, Target};
use crate::auth::Channel;
use crate::net::{Buf, Compressed, Encrypted, PacketError, Runtime, Stream, WITHOUT_LIMIT, read_packet};
use crate::wire::{
    Capabilities, ErrPacket, HandshakeResponse, OkPacket, PacketHeader, ProtocolError, attributes_for_server,
};

/// A plugin that no account has, so that every server asks to switch to the account's plugin, with a challenge of its own.
const NO_PLUGIN: &[u8] = b"pointsman_passes_through";

/// The account, and what the client asked for, which servers get unchanged.
#[derive(Debug, Clone, Copy)]
pub struct PassingLogin<'a> {
    /// The account.
    pub user: &'a Arc<str>,
    /// The schema.
    pub schema: Option<&'a [u8]>,
    /// The client's flags of `Capabilities::OF_LOGIN`.
    pub capabilities: Capabilities,
    /// True if nothing of the client may be readable on the way to the server.
    pub private: bool,
}

/// See the module.
pub struct PassingConnection<S: Stream> {
    stream: S,
    buf: Buf,
    /// The sequence id of the next packet, whoever sends it.
    seq: u8,
    about: About,
    schema: Option<Box<[u8]>>,
    encrypted: Option<Encrypted>,
    fell_back: bool,
    local: bool,
    /// The handshake response, which is sent once the legs were judged.
    response: Vec<u8>,
}

impl<S: Stream> PassingConnection<S> {
    /// Connects, and reads the server's greeting. Nothing of the client is sent yet. Without a time limit.
    pub async fn reach<R: Runtime<Stream = S>>(
        runtime: &R,
        target: &Target,
        class: Class,
        login: &PassingLogin<'_>,
        introduction: &Introduction<'_>,
    ) -> Result<Self, ConnectError> {
        let mut tls = runtime.tls();
        let wanted = tls.is_optional();
        let mut more = login.capabilities;
        more.set(Capabilities::CONNECT_WITH_DB, login.schema.is_some());
        let introduction =
            &introduction.for_names(&[login.user.as_bytes(), login.schema.unwrap_or_default()]);
        let reached = loop {
            let mut greeted = false;
            match reach(runtime, target, class, more, introduction, &tls, &mut greeted).await {
                Ok(reached) => break reached,
                Err(ConnectError::Tls { .. }) if tls.is_optional() && !login.private => {
                    tls = Arc::new(tls.without());
                }
                Err(error) if introduction.announced.is_some() && greeted && may_be_the_header(&error) => {
                    let (server, user) = (target.name.clone(), login.user.clone());
                    return Err(ConnectError::ProxyHeader { server, user, error: Box::new(error) });
                }
                Err(error) => return Err(error),
            }
        };
        let ReachedServer { stream, buf, greeting, seq, capabilities, collation, encrypted, local } = reached;
        let attributes = attributes_for_server(introduction.attributes);
        let mut response = Vec::new();
        HandshakeResponse {
            capabilities,
            max_packet: MAX_PACKET,
            collation,
            user: login.user.as_bytes(),
            auth_response: b"",
            schema: login.schema,
            auth_plugin: NO_PLUGIN,
            attributes: &attributes,
            zstd_level: ZSTD_LEVEL,
        }
        .encode(&mut response);
        let about = about(target, login.user, class, &greeting, capabilities);
        let fell_back = wanted && encrypted.is_none() && !local;
        let schema = login.schema.map(Into::into);
        Ok(PassingConnection { stream, buf, seq, about, schema, encrypted, fell_back, local, response })
    }

    /// Returns how far the connection can be trusted with what the client sends.
    pub fn channel(&self) -> Channel {
        channel(self.local, self.encrypted)
    }

    /// True if the server was told that the client knows several factors.
    pub fn has_several_factors(&self) -> bool {
        self.about.capabilities.contains(Capabilities::MULTI_FACTOR_AUTHENTICATION)
    }

    /// Returns how the connection is encrypted.
    pub fn encrypted(&self) -> Option<Encrypted> {
        self.encrypted
    }

    /// Sends the handshake response.
    pub async fn begin(&mut self) -> std::io::Result<()> {
        let response = std::mem::take(&mut self.response);
        self.send(&response).await
    }

    /// Sends a packet of the client.
    pub async fn send(&mut self, payload: &[u8]) -> std::io::Result<()> {
        send(&mut self.stream, self.seq, |out| out.extend_from_slice(payload)).await?;
        self.seq = self.seq.wrapping_add(1);
        Ok(())
    }

    /// Waits until the server has sent something, or has closed. The future may be dropped at any time.
    pub async fn readable(&mut self) -> std::io::Result<()> {
        self.stream.readable().await
    }

    /// Takes the next packet, as far as that is possible without waiting. None: it has not arrived as a whole.
    pub fn take(&mut self) -> Result<Option<Vec<u8>>, PacketError> {
        take_packet(&mut self.stream, &mut self.buf, &mut self.seq, MAX_LOGIN_PACKET)
    }

    /// Ends a login whose client is gone. A server that waits gets an empty answer, and may refuse it: connections that
    /// just end in the middle of a login count against the proxy's host, which the server would block one day
    /// (`max_connect_errors`). Without a time limit.
    pub async fn give_up(mut self) {
        if self.send(b"").await.is_ok() {
            let _ =
                read_packet(&mut self.stream, &mut self.buf, None, MAX_LOGIN_PACKET, &WITHOUT_LIMIT).await;
        }
    }

    /// Returns the connection after the server's OK packet, which is `payload`.
    pub fn finish(mut self, payload: &[u8]) -> Result<Connection<S>, ProtocolError> {
        let tracks = self.about.capabilities.contains(Capabilities::SESSION_TRACK);
        let status = OkPacket::parse(payload, tracks)?.status;
        if let Some(algorithm) = algorithm(self.about.capabilities) {
            self.stream.compress(Compressed { algorithm, to_server: true }, self.buf.filled());
        } else if let Some(&byte) = self.buf.filled().first() {
            return Err(ProtocolError::Unexpected { expected: "nothing behind the login", byte });
        }
        let mut connection = Connection::new(self.stream, self.about, status);
        connection.begins_in(self.schema.as_deref());
        connection.encrypted = self.encrypted.map(Box::new);
        connection.fell_back = self.fell_back;
        // No other session may have it.
        connection.closes_after_session = true;
        connection.of_client = true;
        Ok(connection)
    }
}

/// Reads the payload of an ERR packet.
pub fn refusal(payload: &[u8]) -> Result<ServerError, ProtocolError> {
    Ok(ServerError::from(&ErrPacket::parse(payload)?))
}

/// Reads what has arrived, and takes the packet at the front of `buf`, which must have this sequence id. Counts the packet.
/// None: the packet has not arrived as a whole.
pub fn take_packet<S: Stream>(
    stream: &mut S,
    buf: &mut Buf,
    seq: &mut u8,
    limit: usize,
) -> Result<Option<Vec<u8>>, PacketError> {
    loop {
        let mut missing = PacketHeader::LEN.saturating_sub(buf.len());
        if let Some(header) = PacketHeader::parse(buf.filled()) {
            if header.seq != *seq {
                return Err(ProtocolError::Sequence { expected: *seq, got: header.seq }.into());
            }
            if header.len > limit {
                return Err(ProtocolError::TooLarge { what: "a packet", len: header.len, limit }.into());
            }
            if let Some(payload) = buf.filled().get(PacketHeader::LEN..header.total()) {
                let payload = payload.to_vec();
                buf.consume(header.total());
                *seq = seq.wrapping_add(1);
                return Ok(Some(payload));
            }
            missing = header.total().saturating_sub(buf.len());
        }
        buf.make_room(missing);
        match stream.read_now(buf)? {
            None => return Ok(None),
            Some(0) => return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()),
            Some(_) => {}
        }
    }
}
