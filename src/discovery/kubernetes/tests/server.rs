//! A scripted API server with lists in pages, watches, bookmarks and a history that can
//! be forgotten. One per test, in the test's own thread.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, spawn_local};

/// How the server answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Mood {
    Well,
    /// 403 to every new request.
    Forbids,
    /// It accepts connections and sends nothing, also on open watches.
    Hangs,
}

/// The state of the server.
pub(super) struct Store {
    objects: BTreeMap<String, Value>,
    version: u64,
    history: Vec<(u64, &'static str, Value)>,
    /// Watches that resume from before this version get 410.
    forgotten: u64,
    pub mood: Mood,
    pub page: usize,
    /// The requests: paths with their queries.
    pub requests: Vec<String>,
    /// The posted objects, each with its path.
    pub posted: Vec<(String, Value)>,
}

/// The server; a clone refers to the same server.
#[derive(Clone)]
pub(super) struct ApiServer {
    pub store: Rc<RefCell<Store>>,
    port: u16,
    /// A second socket bound to the port, never listening: it reserves the port while the server is down.
    _reserved: Rc<TcpSocket>,
    changed: Rc<watch::Sender<()>>,
    tasks: Rc<RefCell<Vec<AbortHandle>>>,
}

fn bound(port: u16) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(([127, 0, 0, 1], port).into()).unwrap();
    socket
}

impl ApiServer {
    pub async fn start() -> Self {
        let store = Store {
            objects: BTreeMap::new(),
            version: 100,
            history: Vec::new(),
            forgotten: 0,
            mood: Mood::Well,
            page: 2,
            requests: Vec::new(),
            posted: Vec::new(),
        };
        let reserved = bound(0);
        let port = reserved.local_addr().unwrap().port();
        let server = ApiServer {
            store: Rc::new(RefCell::new(store)),
            port,
            _reserved: Rc::new(reserved),
            changed: Rc::new(watch::channel(()).0),
            tasks: Rc::default(),
        };
        server.serve(bound(port).listen(64).unwrap());
        server
    }

    pub fn config(&self) -> kube::Config {
        let mut config = kube::Config::new(format!("http://127.0.0.1:{}", self.port).parse().unwrap());
        config.default_namespace = "own".to_owned();
        config
    }

    /// Closes the port and every connection.
    pub fn kill(&self) {
        self.tasks.take().iter().for_each(AbortHandle::abort);
    }

    /// Opens the port again, the same one.
    pub async fn restart(&self) {
        // The tasks that hold the port end when they are polled.
        tokio::task::yield_now().await;
        self.serve(bound(self.port).listen(64).unwrap());
    }

    pub fn put(&self, object: Value) {
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        let kind = if self.store.borrow().objects.contains_key(&name) { "MODIFIED" } else { "ADDED" };
        self.change(kind, name, object);
    }

    pub fn delete(&self, name: &str) {
        let object = self.store.borrow().objects[name].clone();
        self.change("DELETED", name.to_owned(), object);
    }

    /// Sends a bookmark, as after a change of an object that the selector excludes.
    pub fn bookmark(&self) {
        self.change(
            "BOOKMARK",
            String::new(),
            json!({"kind": "Pod", "metadata": {"creationTimestamp": null}}),
        );
    }

    /// Compacts the history: only watches from now on can be resumed.
    pub fn forget(&self) {
        let mut store = self.store.borrow_mut();
        store.version += 1;
        store.forgotten = store.version;
        store.history.clear();
    }

    fn change(&self, kind: &'static str, name: String, mut object: Value) {
        let mut store = self.store.borrow_mut();
        store.version += 1;
        let version = store.version;
        object["metadata"]["resourceVersion"] = json!(version.to_string());
        match kind {
            "DELETED" => _ = store.objects.remove(&name),
            "BOOKMARK" => {}
            _ => _ = store.objects.insert(name, object.clone()),
        }
        store.history.push((version, kind, object));
        drop(store);
        self.changed.send_replace(());
    }

    fn serve(&self, listener: TcpListener) {
        let server = self.clone();
        let accepting = spawn_local(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let one = server.clone();
                let task = spawn_local(async move { _ = one.answer(stream).await });
                server.tasks.borrow_mut().push(task.abort_handle());
            }
        });
        self.tasks.borrow_mut().push(accepting.abort_handle());
    }

    /// Answers one request; a connection serves one.
    async fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        let head = String::from_utf8(head).unwrap();
        let uri = head.split(' ').nth(1).unwrap().to_owned();
        self.store.borrow_mut().requests.push(uri.clone());
        let parameter = |name: &str| {
            let query = uri.split_once('?').map_or("", |(_, query)| query);
            query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")).map(str::to_owned))
        };
        self.not_hanging().await;
        if self.store.borrow().mood == Mood::Forbids {
            let status = json!({"kind": "Status", "code": 403, "message": "pods is forbidden: User \"sa\" cannot list"});
            return reply(&mut stream, "403 Forbidden", &status.to_string()).await;
        }
        if let Some(length) = length_of_post(&head) {
            let mut body = vec![0; length];
            stream.read_exact(&mut body).await?;
            let status = self.take(uri, serde_json::from_slice(&body).unwrap());
            return reply(&mut stream, status, "{}").await;
        }
        if parameter("watch").is_none() {
            let page = self.page(parameter("continue").and_then(|at| at.parse().ok()).unwrap_or(0));
            return reply(&mut stream, "200 OK", &page.to_string()).await;
        }
        let from: u64 = parameter("resourceVersion").unwrap().parse().unwrap();
        let time: u64 = parameter("timeoutSeconds").unwrap().parse().unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n")
            .await?;
        let time = tokio::time::sleep(std::time::Duration::from_secs(time));
        tokio::select! {
            done = self.events(&mut stream, from) => done,
            () = async { time.await; self.not_hanging().await } => Ok(()),
        }
    }

    /// Stores a posted object; names are unique.
    fn take(&self, uri: String, object: Value) -> &'static str {
        let posted = &mut self.store.borrow_mut().posted;
        if posted.iter().any(|(_, known)| known["metadata"]["name"] == object["metadata"]["name"]) {
            return "409 Conflict";
        }
        posted.push((uri, object));
        "201 Created"
    }

    fn page(&self, from: usize) -> Value {
        let store = self.store.borrow();
        let items: Vec<_> = store.objects.values().skip(from).take(store.page).cloned().collect();
        let next = from + items.len();
        let next = if next < store.objects.len() { next.to_string() } else { String::new() };
        let items = if items.is_empty() { Value::Null } else { json!(items) };
        json!({
            "kind": "PodList",
            "metadata": {"resourceVersion": store.version.to_string(), "continue": next},
            "items": items,
        })
    }

    async fn events(&self, stream: &mut TcpStream, mut from: u64) -> std::io::Result<()> {
        let mut changed = self.changed.subscribe();
        loop {
            self.not_hanging().await;
            if from < self.store.borrow().forgotten {
                let gone =
                    json!({"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old"}});
                return stream.write_all(format!("{gone}\n").as_bytes()).await;
            }
            let new: Vec<_> =
                self.store.borrow().history.iter().filter(|(at, ..)| *at > from).cloned().collect();
            for (at, kind, object) in new {
                from = at;
                let line = format!("{}\n", json!({"type": kind, "object": object}));
                // In two parts, as a network may deliver it.
                let (first, second) = line.split_at(line.len() / 2);
                stream.write_all(first.as_bytes()).await?;
                tokio::task::yield_now().await;
                stream.write_all(second.as_bytes()).await?;
            }
            changed.changed().await.unwrap();
        }
    }

    async fn not_hanging(&self) {
        let mut changed = self.changed.subscribe();
        while self.store.borrow().mood == Mood::Hangs {
            changed.changed().await.unwrap();
        }
    }

    pub fn mood(&self, mood: Mood) {
        self.store.borrow_mut().mood = mood;
        self.changed.send_replace(());
    }

    /// Returns the number of requests that contain this text.
    pub fn asked(&self, part: &str) -> usize {
        self.store.borrow().requests.iter().filter(|uri| uri.contains(part)).count()
    }
}

fn length_of_post(head: &str) -> Option<usize> {
    let lines = head.strip_prefix("POST ")?.to_ascii_lowercase();
    lines.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())
}

async fn reply(stream: &mut TcpStream, status: &str, body: &str) -> std::io::Result<()> {
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all((head + body).as_bytes()).await
}
