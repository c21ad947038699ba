//! The network between the proxy and one server, for tests that break it.

use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What becomes of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// They arrive.
    Through,
    /// They vanish, and nobody is told; what was connected is reset when the line is back.
    Silent,
    /// Everything is reset.
    Cut,
}

/// A port that stands for a server's. It ends with its owner.
#[derive(Debug)]
pub struct Relay {
    port: u16,
    line: watch::Sender<Line>,
    accepting: JoinHandle<()>,
}

impl Relay {
    /// To a port on 127.0.0.1.
    pub async fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("cannot listen");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let (line, seen) = watch::channel(Line::Through);
        let accepting = tokio::spawn(async move {
            loop {
                match listener.accept().await {
                    Ok((client, _)) => drop(tokio::spawn(relay(client, server, seen.clone()))),
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        });
        Relay { port, line, accepting }
    }

    /// Where it listens on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Also for what is connected.
    pub fn set(&self, line: Line) {
        self.line.send_replace(line);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn relay(client: TcpStream, server: u16, mut line: watch::Receiver<Line>) {
    // Dropped with unsent bytes or without, a peer gets a reset.
    let _ = client.set_zero_linger();
    if *line.borrow_and_update() == Line::Through {
        let Ok(mut server) = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], server))).await else {
            return;
        };
        let _ = (client.set_nodelay(true), server.set_nodelay(true), server.set_zero_linger());
        let mut client = client;
        tokio::select! {
            biased;
            _ = line.changed() => {}
            _ = copy_bidirectional(&mut client, &mut server) => return,
        }
        silence(&mut line).await;
        drop((client, server));
    } else {
        silence(&mut line).await;
    }
}

/// Holds what is connected while the line is silent.
async fn silence(line: &mut watch::Receiver<Line>) {
    let _ = line.wait_for(|line| *line != Line::Silent).await;
}
