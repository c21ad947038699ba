//! `run.sh equality`: the corpus on a server and through the proxy, in three passes, every answer compared.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pointsman_clients::blocking::{Client, Endpoint};
use pointsman_clients::equality::corpus::{self, Script};
use pointsman_clients::equality::pace::{Pace, ask};
use pointsman_clients::equality::play::{Pass, Player, Tally};
use pointsman_clients::wire::DEPRECATE_EOF;
use tokio::time::Instant;

const PASSES: [Pass; 3] = [
    Pass { name: "fast", paced: false, prepared: false, capabilities: 0 },
    Pass { name: "paced", paced: true, prepared: false, capabilities: DEPRECATE_EOF },
    Pass { name: "prepared", paced: true, prepared: true, capabilities: 0 },
];

fn option(name: &str, fallback: &str) -> String {
    let mut args = std::env::args().skip_while(|arg| arg != name);
    args.nth(1).unwrap_or_else(|| fallback.into())
}

fn number(name: &str, fallback: u64) -> Result<u64, String> {
    option(name, &fallback.to_string()).parse().map_err(|_| format!("{name} wants a number"))
}

fn endpoint(port: &str) -> Result<Endpoint, String> {
    Ok(Endpoint {
        host: "127.0.0.1".into(),
        port: port.parse().map_err(|_| format!("{port} is no port"))?,
        user: "super".into(),
        password: "super".into(),
        database: String::new(),
    })
}

struct Settings {
    mariadb: bool,
    /// Direct, and the proxy.
    sides: [Endpoint; 2],
    /// The primaries of both sides.
    primaries: [Endpoint; 2],
    replicas: Vec<Endpoint>,
    settle: Duration,
    pauses: usize,
    threads: u64,
    show: usize,
}

fn settings() -> Result<Settings, String> {
    let replicas = option("--replicas", "");
    let replicas = replicas.split(',').filter(|p| !p.is_empty()).map(endpoint).collect::<Result<_, _>>()?;
    let direct = endpoint(&option("--direct", ""))?;
    Ok(Settings {
        mariadb: option("--flavor", "mariadb") == "mariadb",
        sides: [direct.clone(), endpoint(&option("--proxy", ""))?],
        primaries: [direct, endpoint(&option("--primary", ""))?],
        replicas,
        settle: Duration::from_millis(number("--settle", 350)?),
        pauses: number("--pauses", 40)? as usize,
        threads: number("--threads", 6)?,
        show: number("--show", 60)? as usize,
    })
}

impl Settings {
    fn pace(&self) -> io::Result<Pace> {
        Pace::new(self.mariadb, &self.primaries[1], &self.replicas, self.settle, self.pauses)
    }

    /// Both primaries alike: an empty schema for each file, and what the corpus expects of the server.
    fn reset(&self, scripts: &[Script]) -> io::Result<()> {
        for server in self.primaries.iter().chain(&self.replicas) {
            ask(&mut Client::connect(server, 0)?, "SET GLOBAL log_bin_trust_function_creators = 1")?;
        }
        for primary in &self.primaries {
            let mut client = Client::connect(primary, 0)?;
            ask(&mut client, "GRANT ALL ON `eq\\_%`.* TO app@'%'")?;
            for script in scripts {
                ask(&mut client, &format!("DROP DATABASE IF EXISTS eq_{}", script.name))?;
                ask(&mut client, &format!("CREATE DATABASE eq_{}", script.name))?;
            }
        }
        let mut pace = self.pace()?;
        pace.log()?;
        pace.catch_up(true)
    }
}

fn play(settings: &Settings, pass: Pass, script: &Script) -> Tally {
    let mut pace = match settings.pace() {
        Ok(pace) => pace,
        Err(error) => return Tally { failures: vec![error.to_string()], ..Tally::default() },
    };
    Player::new(&settings.sides, pass, Some(&mut pace), script).play()
}

/// Files side by side, each in its schema; then, one by one, those that need the server to themselves.
fn run(settings: &Settings, pass: Pass, scripts: &[Script]) -> Vec<(String, Tally)> {
    let queue: Vec<&Script> = scripts.iter().filter(|s| !s.alone).collect();
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        while let Some(script) = queue.get(next.fetch_add(1, Ordering::Relaxed)) {
            done.push((script.name.clone(), play(settings, pass, script)));
        }
        done
    };
    let mut done: Vec<(String, Tally)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..settings.threads).map(|_| scope.spawn(worker)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
    });
    for script in scripts.iter().filter(|s| s.alone) {
        done.push((script.name.clone(), play(settings, pass, script)));
    }
    // A thread that panicked has played nothing.
    for script in scripts.iter().filter(|s| !done.iter().any(|(name, _)| *name == s.name)).collect::<Vec<_>>()
    {
        let failures = vec![format!("{}.sql was not played to its end", script.name)];
        done.push((script.name.clone(), Tally { failures, ..Tally::default() }));
    }
    done.sort_by(|a, b| a.0.cmp(&b.0));
    done
}

fn report(
    settings: &Settings,
    pass: Pass,
    began: Instant,
    results: &[(String, Tally)],
    served: Option<u64>,
) -> bool {
    let mut shown = 0;
    for (name, tally) in results {
        match tally.failures.len() {
            0 => println!("ok equality {name} {} {} statements", pass.name, tally.statements),
            n => println!("FAIL equality {name} {} {n} of {} statements", pass.name, tally.statements),
        }
        for failure in &tally.failures {
            shown += 1;
            if shown <= settings.show {
                println!("  {failure}");
            }
        }
    }
    let sum = |of: fn(&Tally) -> usize| results.iter().map(|(_, tally)| of(tally)).sum::<usize>();
    let failures = sum(|t| t.failures.len());
    println!(
        "equality {}: {} statements, {} answers compared, {failures} differ, {} expected errors, {} masked, {} errors made by the proxy; {:.0} s",
        pass.name,
        sum(|t| t.statements),
        sum(|t| t.answers),
        sum(|t| t.errors),
        sum(|t| t.masked.len()),
        sum(|t| t.proxy_errors),
        began.elapsed().as_secs_f64(),
    );
    let reads = sum(|t| t.reads);
    if let (Some(served), true) = (served, reads > 0) {
        println!(
            "equality {}: replicas executed {served} reads; the corpus has {reads} queries outside transactions ({:.0} %)",
            pass.name,
            served as f64 * 100.0 / reads as f64
        );
    }
    failures == 0
}

fn masks(scripts: &[Script]) {
    for script in scripts {
        for item in &script.items {
            for mask in &item.marks.masks {
                println!("{}.sql:{} {}: {}", script.name, item.line, mask.what.join(","), mask.reason);
            }
        }
    }
}

fn main() -> Result<(), String> {
    let flavor = option("--flavor", "mariadb");
    let only = option("--only", "");
    let mut scripts = corpus::read(&PathBuf::from(option("--corpus", "tests/suites/equality")), &flavor)?;
    scripts
        .retain(|s| !s.items.is_empty() && (only.is_empty() || only.split(',').any(|name| s.name == name)));
    if std::env::args().any(|arg| arg == "--masks") {
        masks(&scripts);
        return Ok(());
    }
    let settings = settings()?;
    let passes = option("--passes", "fast,paced,prepared");
    let mut equal = true;
    for pass in PASSES.iter().filter(|pass| passes.split(',').any(|name| name == pass.name)) {
        settings.reset(&scripts).map_err(|e| format!("preparing both sides: {e}"))?;
        let count = || settings.pace().and_then(|mut pace| pace.reads_served());
        let before = count().map_err(|e| e.to_string())?;
        let began = Instant::now();
        let results = run(&settings, *pass, &scripts);
        let after = count().map_err(|e| e.to_string())?;
        let served = (!settings.replicas.is_empty()).then(|| after.saturating_sub(before));
        equal &= report(&settings, *pass, began, &results, served);
    }
    if equal { Ok(()) } else { Err("answers differ".into()) }
}
