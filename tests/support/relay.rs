//! The network between two peers, for tests that break it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

/// What becomes of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// They arrive.
    Through,
    /// They vanish, and nobody is told; what was connected is reset when the line is back.
    Silent,
    /// Everything is reset.
    Cut,
    /// What is said this way arrives when the line is back: as with TCP, where only packets are lost.
    Held(Direction),
    /// All of it, so much later.
    Late(Duration),
    /// What is connected is reset after so many more bytes of the server's.
    Torn(usize),
}

/// Whose bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    ToServer,
    ToClient,
    Both,
}

/// A port that stands for a server's. It ends with its owner.
#[derive(Debug)]
pub struct Relay {
    port: u16,
    line: watch::Sender<Line>,
    /// The server's port, for new connections.
    server: Arc<AtomicU16>,
    /// How many are connected.
    open: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl Relay {
    /// To a port on 127.0.0.1.
    pub async fn to(server: u16) -> Self {
        Self::listening(0, server).await
    }

    /// The same on a port of one's choice.
    pub async fn listening(port: u16, server: u16) -> Self {
        Self::at(Ipv4Addr::LOCALHOST, port, server).await
    }

    /// The same at another address of this machine.
    pub async fn at(address: Ipv4Addr, port: u16, server: u16) -> Self {
        let listener = TcpListener::bind((address, port)).await.expect("cannot listen");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let (line, seen) = watch::channel(Line::Through);
        let server = Arc::new(AtomicU16::new(server));
        let open = Arc::new(AtomicUsize::new(0));
        let (leads_to, counted) = (server.clone(), open.clone());
        let accepting = tokio::spawn(async move {
            loop {
                match listener.accept().await {
                    Ok((client, _)) => {
                        let relay = relay(client, leads_to.load(Ordering::Relaxed), seen.clone());
                        let counted = counted.clone();
                        counted.fetch_add(1, Ordering::Relaxed);
                        drop(tokio::spawn(async move {
                            relay.await;
                            counted.fetch_sub(1, Ordering::Relaxed);
                        }));
                    }
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        });
        Relay { port, line, server, open, accepting }
    }

    /// Where it listens on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many connections it has.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// New connections lead to this port from now on. What is connected stays.
    pub fn lead_to(&self, server: u16) {
        self.server.store(server, Ordering::Relaxed);
    }

    /// What becomes of its bytes, now and later.
    pub fn state(&self) -> watch::Receiver<Line> {
        self.line.subscribe()
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
    if matches!(*line.borrow_and_update(), Line::Silent | Line::Cut) {
        return silence(&mut line).await;
    }
    let Ok(server) = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], server))).await else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true), server.set_zero_linger());
    let ((client_read, client_write), (server_read, server_write)) =
        (client.into_split(), server.into_split());
    let (up, down) = (line.clone(), line.clone());
    let both = async {
        // One end may have said all and still hear the other out; a break ends both ways.
        let _ = tokio::try_join!(
            one_way(client_read, server_write, Direction::ToServer, up),
            one_way(server_read, client_write, Direction::ToClient, down)
        );
    };
    tokio::pin!(both);
    let mut watched = line.clone();
    tokio::select! {
        biased;
        _ = watched.wait_for(|line| matches!(line, Line::Silent | Line::Cut)) => {}
        () = &mut both => return,
    }
    silence(&mut line).await;
}

/// Holds what is connected while the line is silent.
async fn silence(line: &mut watch::Receiver<Line>) {
    let _ = line.wait_for(|line| *line != Line::Silent).await;
}

/// Bytes, and when they are due; no bytes are the end.
type Due = (Instant, Vec<u8>);

async fn one_way(
    mut from: OwnedReadHalf,
    to: OwnedWriteHalf,
    way: Direction,
    line: watch::Receiver<Line>,
) -> io::Result<()> {
    let (queue, queued) = mpsc::channel::<Due>(64);
    let seen = line.clone();
    let reading = async move {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let count = from.read(&mut buffer).await?;
            let late = match *seen.borrow() {
                Line::Late(late) => late,
                _ => Duration::ZERO,
            };
            let bytes = buffer[..count].to_vec();
            if queue.send((Instant::now() + late, bytes)).await.is_err() || count == 0 {
                return Ok(());
            }
        }
    };
    tokio::try_join!(reading, deliver(queued, to, way, line)).map(drop)
}

async fn deliver(
    mut queued: mpsc::Receiver<Due>,
    mut to: OwnedWriteHalf,
    way: Direction,
    mut line: watch::Receiver<Line>,
) -> io::Result<()> {
    // What may still pass of a torn line.
    let mut left = None;
    while let Some((due, bytes)) = queued.recv().await {
        sleep_until(due).await;
        let holds =
            |line: &Line| matches!(line, Line::Held(held) if *held == way || *held == Direction::Both);
        let now = *line.wait_for(|line| !holds(line)).await.map_err(io::Error::other)?;
        left = match now {
            Line::Torn(count) if way == Direction::ToClient => Some(left.unwrap_or(count)),
            _ => None,
        };
        if let Some(some) = left.as_mut() {
            if bytes.len() >= *some {
                to.write_all(&bytes[..*some]).await?;
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            *some -= bytes.len();
        }
        match bytes.is_empty() {
            true => return to.shutdown().await,
            false => to.write_all(&bytes).await?,
        }
    }
    Ok(())
}
