//! `run.sh noleak`: hundreds of sessions with a model each, over a proxy with few server connections.

use std::time::Duration;

use tokio::time::Instant;

use pointsman_clients::noleak::driver::{Report, run};
use pointsman_clients::noleak::shared::{Plan, Settings};
use pointsman_clients::noleak::shrink::Shrinker;
use pointsman_clients::noleak::steps::FEATURES;

const USAGE: &str = "usage: noleak --port P [--direct P] [--host H] [--user app:app[,other:password]] [--sessions 300] [--statements N]
  [--seconds S] [--seed N] [--pins N] [--only feature,…] [--weights feature=N,…] [--sabotage N [--must-fail]] [--shrink-seconds 120] [--verbose]";

fn option(name: &str) -> Option<String> {
    std::env::args().skip_while(|arg| arg != name).nth(1)
}

fn number<T: std::str::FromStr>(name: &str, fallback: T) -> T {
    match option(name) {
        None => fallback,
        Some(text) => text.replace('_', "").parse().unwrap_or_else(|_| usage(&format!("{name} {text}"))),
    }
}

fn flag(name: &str) -> bool {
    std::env::args().any(|arg| arg == name)
}

fn usage(what: &str) -> ! {
    eprintln!("{what}?\n{USAGE}\nfeatures: {}", FEATURES.map(|(name, _)| name).join(" "));
    std::process::exit(2)
}

fn weights() -> Vec<(&'static str, u32)> {
    let only = option("--only");
    let chosen = |name: &str| only.as_ref().is_none_or(|only| only.split(',').any(|one| one == name));
    let mut weights: Vec<_> = FEATURES.into_iter().filter(|(name, _)| chosen(name)).collect();
    for change in option("--weights").iter().flat_map(|list| list.split(',')) {
        let (name, weight) = change.split_once('=').unwrap_or_else(|| usage(change));
        let weight = weight.parse().unwrap_or_else(|_| usage(change));
        match weights.iter_mut().find(|(known, _)| *known == name) {
            Some(entry) => entry.1 = weight,
            None => usage(change),
        }
    }
    if weights.iter().all(|(_, weight)| *weight == 0) {
        usage("no feature is left");
    }
    weights
}

fn settings() -> Settings {
    let accounts = option("--user").unwrap_or_else(|| "app:app".into());
    let account = |one: &str| {
        let (user, password) = one.split_once(':').unwrap_or_else(|| usage(one));
        (user.to_string(), password.to_string())
    };
    Settings {
        host: option("--host").unwrap_or_else(|| "127.0.0.1".into()),
        direct: option("--direct").map(|_| number("--direct", 0)),
        port: option("--port").map_or_else(|| usage("--port"), |_| number("--port", 0)),
        accounts: accounts.split(',').map(account).collect(),
        pins: number("--pins", 5),
        weights: weights(),
        sabotage: number("--sabotage", 0),
        verbose: flag("--verbose"),
    }
}

/// What failed, what that session did before, and what happened around it.
fn show(report: &Report) {
    let Some(fault) = report.faults.first() else { return };
    println!("session {} in '{}': {}", fault.session, fault.feature, fault.what);
    println!("  its last statements (number, statement → answer):");
    let own = report.histories.get(fault.session as usize);
    for (number, text) in own.iter().flat_map(|history| history.iter().rev().take(50).rev()) {
        println!("  {number:>9} {text}");
    }
    let mut others: Vec<(u64, usize, &str)> = Vec::new();
    for (session, history) in report.histories.iter().enumerate() {
        if session != fault.session as usize {
            others.extend(history.iter().map(|(number, text)| (*number, session, text.as_str())));
        }
    }
    others.sort_unstable();
    println!("  the last statements of others:");
    for (number, session, text) in others.iter().rev().take(40).rev() {
        println!("  {number:>9} session {session}: {text:.200}");
    }
    foreign(report, fault.session, &fault.what);
}

/// Values carry the number of their session: says whose a foreign one is.
fn foreign(report: &Report, own: u32, what: &str) {
    let got = what.rsplit("got ").next().unwrap_or_default();
    let mut parts = got.split('s').skip(1).filter_map(|rest| rest.split_once('.')?.0.parse::<u32>().ok());
    let Some(other) = parts.find(|number| *number != own) else { return };
    println!("  the value is session {other}'s, whose last statements were:");
    for (number, text) in
        report.histories.get(other as usize).iter().flat_map(|h| h.iter().rev().take(15).rev())
    {
        println!("  {number:>9} {text:.200}");
    }
}

fn main() -> std::io::Result<()> {
    let settings = settings();
    let seed = number("--seed", 1_u64);
    let sessions: u32 = number("--sessions", 300);
    let plan = Plan {
        seed,
        sessions: (0..sessions).map(|session| (session, None)).collect(),
        statements: number("--statements", 1_000_000),
        seconds: number("--seconds", f64::MAX),
    };
    let report = run(&settings, &plan, false)?;
    let rate = report.statements as f64 / report.seconds;
    let [logins, lost, kills, excused, skipped, swaps] = report.counts;
    let verdict = match (flag("--must-fail"), report.faults.is_empty()) {
        (true, _) => "sabotaged",
        (false, true) => "ok",
        (false, false) => "FAIL",
    };
    println!(
        "{verdict} noleak seed {seed}: {} statements of {sessions} sessions in {:.1} s, {rate:.0} statements/s; {logins} logins, {lost} connections ended, {kills} kills ({excused} answers not judged for them), {skipped} steps left out for want of a pin, {swaps} swaps, {} runs of events, {} failures",
        report.statements,
        report.seconds,
        report.events.1,
        report.faults.len()
    );
    let features: Vec<String> =
        report.by_feature.iter().map(|(name, count)| format!("{name} {count}")).collect();
    println!("statements by feature: {}", features.join(", "));
    if flag("--must-fail") {
        let what = report.faults.first().map(|fault| format!("{} in '{}'", fault.what, fault.feature));
        println!(
            "{} noleak notices sabotage: {}",
            if what.is_some() { "ok" } else { "FAIL" },
            what.as_deref().unwrap_or("it did not")
        );
        std::process::exit(i32::from(what.is_none()))
    }
    if report.faults.is_empty() {
        return Ok(());
    }
    show(&report);
    let patience: u64 = number("--shrink-seconds", 120);
    if patience > 0 {
        let until = Instant::now() + Duration::from_secs(patience);
        let try_seconds = number("--try-seconds", 4.0);
        let shrinker = Shrinker { settings: &settings, seed, try_seconds, tries: 2, until };
        match shrinker.shrink(&report)? {
            None => println!("shrink: the last steps did not fail again"),
            Some((smaller, report)) => {
                println!("shrunk to:");
                for (session, steps) in &smaller {
                    println!("  session {session}: steps {steps:?}");
                }
                show(&report);
            }
        }
    }
    std::process::exit(1)
}
