//! Random bytes over TCP, from a fixed seed: before the login, after it, and in a good
//! handshake response.

use super::Scene;
use crate::dialogue::raw::{Raw, framed, response};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

/// xorshift64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }

    fn bytes(&mut self, limit: usize) -> Vec<u8> {
        let len = self.below(limit);
        (0..len).map(|_| self.next().to_le_bytes()[0]).collect()
    }
}

#[tokio::test]
async fn random_bytes_harm_nobody() {
    let mut scene = Scene::new("").await;
    let mut tasks = Vec::new();
    for task in 0..4u64 {
        let (rw, ro) = (scene.proxy.rw, scene.proxy.ro);
        tasks.push(tokio::spawn(async move {
            let mut random = Random(0x9e37_79b9_7f4a_7c15 + task);
            for n in 0..250 {
                let port = if random.below(2) == 0 { rw } else { ro };
                match n % 4 {
                    0 => noise(port, &mut random).await,
                    1 => bent_login(port, &mut random).await,
                    2 => noise_after_login(port, &mut random, false).await,
                    _ => noise_after_login(port, &mut random, true).await,
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    scene.unharmed(16 * 1024).await;
    scene.empty().await;
}

async fn noise(port: u16, random: &mut Random) {
    let mut client = Raw::connect(port).await.unwrap();
    let _ = client.stream.write_all(&random.bytes(3000)).await;
    listen(&mut client).await;
}

/// A good response with some bytes changed, or cut off.
async fn bent_login(port: u16, random: &mut Random) {
    let mut client = Raw::connect(port).await.unwrap();
    let greeted = client.greeting().await.unwrap();
    let mut payload = response("app", "app", &greeted);
    for _ in 0..=random.below(4) {
        let at = random.below(payload.len());
        payload[at] = random.next().to_le_bytes()[0];
    }
    if random.below(3) == 0 {
        payload.truncate(random.below(payload.len()));
    }
    let _ = client.stream.write_all(&framed(1, &payload)).await;
    listen(&mut client).await;
}

/// `in_packets`: the headers are right, so that the noise gets as far as a command.
async fn noise_after_login(port: u16, random: &mut Random, in_packets: bool) {
    let mut client = Raw::app(port).await;
    for _ in 0..=random.below(5) {
        let bytes = random.bytes(600);
        let bytes = if in_packets { framed(0, &bytes) } else { bytes };
        if client.stream.write_all(&bytes).await.is_err() {
            return;
        }
    }
    listen(&mut client).await;
}

/// Hears a little of what is said, if anything is.
async fn listen(client: &mut Raw) {
    let mut some = [0; 256];
    let _ = timeout(Duration::from_millis(2), client.stream.read(&mut some)).await;
}
