//! A server that nobody here wrote stands behind the proxy: one made with opensrv-mysql, as Databend's and GreptimeDB's are.
//! Each case is played on the server directly and through the proxy, and must be the same. One line per case; the exit status
//! is 0 if all are the same.
//!
//! usage: opensrv --binary POINTSMAN [--log FILE]

use std::fmt::Write as _;
use std::io;
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use mysql_async::prelude::{Query, Queryable};
use mysql_async::{Conn, OptsBuilder, Row, Value};
use opensrv_mysql::{
    AsyncMysqlIntermediary, AsyncMysqlShim, Column, ColumnFlags, ColumnType, ErrorKind, InitWriter,
    OkResponse, ParamParser, QueryResultWriter, StatementMetaWriter, StatusFlags,
};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, BufReader, ReadBuf};
use tokio::net::TcpListener;

/// What the server says of itself: what a probe asks for, and the answer.
const FACTS: [(&str, &str); 16] = [
    ("read_only", "0"),
    ("super_read_only", "0"),
    ("innodb_read_only", "0"),
    ("identity", "5b0e0f7e-0000-4000-8000-000000000001"),
    ("gtid", ""),
    ("gtid_mode", "OFF"),
    ("wait_timeout", "28800"),
    ("sql_mode", "STRICT_TRANS_TABLES"),
    ("init_connect", ""),
    ("autocommit", "1"),
    ("charset", "utf8mb4"),
    ("max_packet", "67108864"),
    ("max_connections", "1000"),
    ("started", "1700000000"),
    ("instance", "opensrv/1"),
    ("Value", "1"),
];

/// The rows of the long result, and the bytes of the large value, which takes two packets.
const ROWS: usize = 200_000;
const LARGE: usize = 20 << 20;

struct Shim;

fn column(name: &str, coltype: ColumnType) -> Column {
    Column { table: String::new(), column: name.to_owned(), coltype, colflags: ColumnFlags::empty() }
}

fn done() -> OkResponse {
    OkResponse { status_flags: StatusFlags::SERVER_STATUS_AUTOCOMMIT, ..OkResponse::default() }
}

/// Returns the names behind AS in a text, in their order.
fn names(text: &str) -> Vec<&str> {
    let words: Vec<_> = text.split([' ', ',', ';']).filter(|word| !word.is_empty()).collect();
    words.windows(2).filter(|pair| pair[0] == "AS").map(|pair| pair[1]).collect()
}

/// Answers a text without parameters.
async fn answer<W: AsyncWrite + Send + Unpin>(
    text: &str,
    results: QueryResultWriter<'_, W>,
) -> io::Result<()> {
    let begins = |word: &str| text.get(..word.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(word));
    if text.contains("performance_schema") && text.contains("replication") {
        return results.error(ErrorKind::ER_TABLEACCESS_DENIED_ERROR, &b"no such tables here"[..]).await;
    }
    if let Some(code) = text.strip_prefix("SELECT fails ") {
        let kind = if code == "1146" { ErrorKind::ER_NO_SUCH_TABLE } else { ErrorKind::ER_PARSE_ERROR };
        return results.error(kind, format!("error {code}, as asked").as_bytes()).await;
    }
    if text == "SELECT large" {
        let columns = [column("large", ColumnType::MYSQL_TYPE_LONG_BLOB)];
        let mut rows = results.start(&columns).await?;
        rows.write_row([vec![b'x'; LARGE]]).await?;
        return rows.finish().await;
    }
    if text == "SELECT long" {
        let columns = [
            column("id", ColumnType::MYSQL_TYPE_LONGLONG),
            column("text", ColumnType::MYSQL_TYPE_VAR_STRING),
            column("nothing", ColumnType::MYSQL_TYPE_VAR_STRING),
        ];
        let mut rows = results.start(&columns).await?;
        for id in 0..ROWS {
            rows.write_col(id as i64)?;
            rows.write_col(format!("row {id}"))?;
            rows.write_col(None::<String>)?;
            rows.end_row().await?;
        }
        return rows.finish().await;
    }
    if text == "SELECT empty" {
        return results.start(&[column("a", ColumnType::MYSQL_TYPE_LONG)]).await?.finish().await;
    }
    if begins("SELECT ") {
        let wanted = names(text);
        let value =
            |name: &str| FACTS.iter().find(|(known, _)| *known == name).map_or("1", |(_, value)| *value);
        let wanted = if wanted.is_empty() { vec!["Value"] } else { wanted };
        let columns: Vec<_> =
            wanted.iter().map(|name| column(name, ColumnType::MYSQL_TYPE_VAR_STRING)).collect();
        let mut rows = results.start(&columns).await?;
        rows.write_row(wanted.iter().map(|name| value(name))).await?;
        return rows.finish().await;
    }
    if begins("SHOW ") {
        let columns = [
            column("Variable_name", ColumnType::MYSQL_TYPE_VAR_STRING),
            column("Value", ColumnType::MYSQL_TYPE_VAR_STRING),
        ];
        return results.start(&columns).await?.finish().await;
    }
    let mut ok = done();
    if begins("INSERT") {
        (ok.affected_rows, ok.last_insert_id) = (3, 77);
    }
    if begins("UPDATE") {
        // Without a length in front, as MySQL's documentation has it; MySQL itself sends one.
        ok.info = "Records: 3".to_owned();
    }
    results.completed(ok).await
}

#[async_trait::async_trait]
impl<W: AsyncWrite + Send + Unpin> AsyncMysqlShim<W> for Shim {
    type Error = io::Error;

    fn version(&self) -> String {
        "8.0.36-opensrv".to_owned()
    }

    async fn on_prepare<'a>(
        &'a mut self,
        query: &'a str,
        info: StatementMetaWriter<'a, W>,
    ) -> io::Result<()> {
        let params: Vec<_> = query
            .bytes()
            .filter(|b| *b == b'?')
            .map(|_| column("?", ColumnType::MYSQL_TYPE_VAR_STRING))
            .collect();
        let columns: Vec<_> = params.iter().map(|_| column("a", ColumnType::MYSQL_TYPE_VAR_STRING)).collect();
        info.reply(42, &params, &columns).await
    }

    async fn on_execute<'a>(
        &'a mut self,
        _: u32,
        params: ParamParser<'a>,
        results: QueryResultWriter<'a, W>,
    ) -> io::Result<()> {
        let params: Vec<String> =
            params.into_iter().map(|param| format!("{:?}", param.value.into_inner())).collect();
        let columns: Vec<_> = params.iter().map(|_| column("a", ColumnType::MYSQL_TYPE_VAR_STRING)).collect();
        let mut rows = results.start(&columns).await?;
        rows.write_row(params).await?;
        rows.finish().await
    }

    async fn on_close<'a>(&'a mut self, _: u32)
    where
        W: 'async_trait,
    {
    }

    async fn on_query<'a>(
        &'a mut self,
        text: &'a str,
        mut results: QueryResultWriter<'a, W>,
    ) -> io::Result<()> {
        // A probe asks for several things in one text.
        let parts: Vec<&str> = text.split("; ").collect();
        let Some((last, before)) = parts.split_last() else { return Ok(()) };
        for part in before {
            if part.contains("performance_schema") && part.contains("replication") {
                return answer(part, results).await;
            }
            let columns = names(part);
            let columns = if columns.is_empty() { vec!["Variable_name", "Value"] } else { columns };
            let shown: Vec<_> =
                columns.iter().map(|name| column(name, ColumnType::MYSQL_TYPE_VAR_STRING)).collect();
            // The library wants them as long as the connection lives: a few bytes for each probe.
            let mut rows = results.start(shown.leak()).await?;
            if !part.starts_with("SHOW") {
                let value = |name: &str| {
                    FACTS.iter().find(|(known, _)| *known == name).map_or("1", |(_, value)| *value)
                };
                rows.write_row(columns.iter().map(|name| value(name))).await?;
            }
            results = rows.finish_one().await?;
        }
        answer(last, results).await
    }

    async fn on_init<'a>(&'a mut self, _: &'a str, writer: InitWriter<'a, W>) -> io::Result<()> {
        writer.ok().await
    }
}

/// Gives the library's reader one packet at a time: version 0.7.0 reads freed memory as the first of two packets that arrive
/// together (`PacketReader::next_async`), and the proxy sends what belongs together in one write.
struct OnePacket<R> {
    input: BufReader<R>,
    /// The bytes of the next header that were given already.
    header: Vec<u8>,
    /// The bytes of the current payload that were not given yet.
    left: usize,
}

impl<R: AsyncRead + Unpin> AsyncRead for OnePacket<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let bytes = ready!(Pin::new(&mut this.input).poll_fill_buf(cx))?;
        let most = if this.left > 0 { this.left } else { 4 - this.header.len() };
        let given = &bytes[..bytes.len().min(most).min(out.remaining())];
        out.put_slice(given);
        if this.left > 0 {
            this.left -= given.len();
        } else {
            this.header.extend_from_slice(given);
            if let [a, b, c, _] = this.header[..] {
                this.left = u32::from_le_bytes([a, b, c, 0]) as usize;
                this.header.clear();
            }
        }
        let given = given.len();
        Pin::new(&mut this.input).consume(given);
        Poll::Ready(Ok(()))
    }
}

async fn serve() -> io::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (input, output) = stream.into_split();
            tokio::spawn(async move {
                // Buffered: it writes each packet alone otherwise.
                let output = tokio::io::BufWriter::with_capacity(1 << 16, output);
                let _ = AsyncMysqlIntermediary::run_on(
                    Shim,
                    OnePacket { input: BufReader::new(input), header: Vec::new(), left: 0 },
                    output,
                )
                .await;
            });
        }
    });
    Ok(port)
}

/// The proxy, which ends with its owner.
struct Proxy(Child, std::path::PathBuf);

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
        let _ = std::fs::remove_dir_all(&self.1);
    }
}

async fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0").await?.local_addr()?.port())
}

async fn start(binary: &str, log: &str, server: u16) -> io::Result<(Proxy, u16)> {
    let folder = std::env::temp_dir().join(format!("pointsman-opensrv-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let (port, admin) = (free_port().await?, free_port().await?);
    let config = format!(
        "[[listeners]]\nname = \"rw\"\naddress = \"127.0.0.1:{port}\"\nmode = \"split\"\n\
         [admin]\nhttp = \"127.0.0.1:{admin}\"\n[monitor]\nuser = \"monitor\"\npassword = \"monitor\"\n\
         [[users]]\nname = \"app\"\npassword = \"app\"\n[discovery]\nkind = \"static\"\n\
         [[discovery.servers]]\nname = \"opensrv\"\naddress = \"127.0.0.1:{server}\"\n"
    );
    std::fs::write(folder.join("pointsman.toml"), config)?;
    let out = || std::fs::File::options().create(true).append(true).open(log).map(Stdio::from);
    let child = Command::new(binary)
        .args(["run", "--config"])
        .arg(folder.join("pointsman.toml"))
        .stdout(out()?)
        .stderr(out()?)
        .spawn()?;
    Ok((Proxy(child, folder), port))
}

async fn connect(port: u16) -> Result<Conn, mysql_async::Error> {
    let opts = OptsBuilder::default()
        .ip_or_hostname("127.0.0.1")
        .tcp_port(port)
        .user(Some("app"))
        .pass(Some("app"))
        .max_allowed_packet(Some(64 << 20))
        .wait_timeout(Some(28_800))
        .prefer_socket(false);
    Conn::new(opts).await
}

fn shown(rows: Result<Vec<Row>, mysql_async::Error>) -> String {
    match rows {
        Ok(rows) => {
            let mut out = format!("{} rows", rows.len());
            let bytes: usize = rows.iter().map(|row| row.columns_ref().len()).sum();
            let _ = write!(out, ", {bytes} values");
            let mut hash = crc32fast::Hasher::new();
            for row in rows {
                for column in row.columns_ref() {
                    hash.update(&column.name_ref().to_vec());
                    hash.update(&[column.column_type() as u8]);
                }
                for value in row.unwrap() {
                    hash.update(format!("{value:?}").as_bytes());
                }
            }
            let _ = write!(out, ", {:08x}", hash.finalize());
            out
        }
        Err(mysql_async::Error::Server(error)) => format!("{} {} {}", error.code, error.state, error.message),
        Err(error) => format!("{error:?}"),
    }
}

/// Plays all cases on a port. Returns what each answered.
async fn play(port: u16) -> Result<Vec<(&'static str, String)>, mysql_async::Error> {
    let mut seen = Vec::new();
    let mut conn = connect(port).await?;
    for (name, text) in [
        ("text", "SELECT 1 AS a"),
        ("no rows", "SELECT empty"),
        ("an error", "SELECT fails 1064"),
        ("another error", "SELECT fails 1146"),
        ("goes on behind it", "SELECT 2 AS a"),
        ("a long result", "SELECT long"),
        ("a large value", "SELECT large"),
    ] {
        let rows = conn.query::<Row, _>(text).await;
        seen.push((name, shown(rows)));
    }
    for (name, text) in
        [("a write", "INSERT INTO t VALUES (1), (2), (3)"), ("a write with a text", "UPDATE t SET a = 1")]
    {
        let result = conn.query_iter(text).await?;
        let write = format!("{} rows, id {:?}", result.affected_rows(), result.last_insert_id());
        result.drop_result().await?;
        seen.push((name, write));
    }
    let statement = conn.prep("SELECT ?, ?, ?").await?;
    for (name, values) in [
        ("prepared", vec![Value::from(1), Value::from("two"), Value::NULL]),
        ("prepared, other types", vec![Value::from(1.5), Value::from(vec![0u8, 1, 255]), Value::from(-9i64)]),
        ("prepared, the same again", vec![Value::from(2.5), Value::from(vec![7u8]), Value::from(i64::MAX)]),
    ] {
        seen.push((name, shown(conn.exec::<Row, _, _>(&statement, values).await)));
    }
    conn.close(statement).await?;
    seen.push(("COM_PING", format!("{:?}", conn.ping().await.is_ok())));
    seen.push(("COM_RESET_CONNECTION", format!("{:?}", conn.reset().await.is_ok())));
    seen.push(("a transaction", {
        let mut done = String::new();
        for text in ["BEGIN", "INSERT INTO t VALUES (1)", "COMMIT"] {
            let _ = write!(done, "{} ", text.ignore(&mut conn).await.is_ok());
        }
        done
    }));
    // Another session on the same connection.
    conn.disconnect().await?;
    let mut conn = connect(port).await?;
    seen.push(("the next session", shown(conn.query::<Row, _>("SELECT 3 AS a").await)));
    conn.disconnect().await?;
    Ok(seen)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut binary, mut log) = (String::new(), "/dev/null".to_owned());
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().unwrap_or_default();
        match name.as_str() {
            "--binary" => binary = value,
            "--log" => log = value,
            _ => return Err("usage: opensrv --binary POINTSMAN [--log FILE]".into()),
        }
    }
    let server = serve().await?;
    let (_proxy, port) = start(&binary, &log, server).await?;
    let mut tries = 0;
    while let Err(error) = connect(port).await {
        tries += 1;
        if tries == 100 {
            return Err(format!("the proxy did not let a client in: {error}").into());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let limit = Duration::from_secs(60);
    let direct = tokio::time::timeout(limit, play(server)).await??;
    let through = tokio::time::timeout(limit, play(port)).await??;
    let mut failed = 0;
    for ((name, direct), (_, through)) in direct.iter().zip(&through) {
        if direct == through {
            println!("ok opensrv {name}: {through}");
        } else {
            failed += 1;
            println!("FAIL opensrv {name}: {through}; directly {direct}");
        }
    }
    if failed > 0 || direct.len() != through.len() {
        return Err(format!("{failed} cases differ").into());
    }
    Ok(())
}
