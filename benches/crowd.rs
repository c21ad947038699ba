//! Many clients, of which few are active: `crowd PORT CLIENTS ACTIVE SECS EVERY_MS TURNS [READS]`, standard library only.
//! ACTIVE threads share CLIENTS connections; each runs statements for SECS, one every EVERY_MS (0: one after the
//! other), with TURNS=1 by any of its connections in turn, else by one of them while the others are idle; with READS=1 point
//! selects as text only.
//! Says `connected` when each client has run a statement, `loaded` after the load, and waits for a line each time;
//! then runs a statement by each client again and prints the figures as JSON.
#![allow(clippy::disallowed_types, clippy::disallowed_methods, clippy::print_stdout)] // no runtime here

mod client;
#[path = "crowd/mix.rs"]
mod mix;

use client::other;
use mix::{Member, Random};
use std::io::Result;
use std::sync::Barrier;
use std::time::{Duration, Instant};

/// Not counted at the start of the load: caches fill, server connections are opened.
const WARM_UP: Duration = Duration::from_millis(500);

/// What is asked for on the command line.
#[derive(Clone, Copy)]
struct Plan {
    port: u16,
    clients: usize,
    active: usize,
    load: Duration,
    every: Duration,
    turns: bool,
    reads: bool,
}

/// What a thread saw.
#[derive(Default)]
struct Account {
    /// Microseconds of each autocommit read.
    reads: Vec<u32>,
    /// Microseconds of each other statement.
    writes: Vec<u32>,
    /// The words of what failed.
    errors: Vec<String>,
    /// Began later than it was due, since the one before was not over.
    late: u64,
}

fn main() {
    let numbers: Option<Vec<usize>> = std::env::args().skip(1).map(|a| a.parse().ok()).collect();
    let Some([port, clients, active, secs, every, turns, reads @ ..]) = numbers.as_deref() else {
        // `cargo test` and `cargo bench` run it without arguments.
        return eprintln!("usage: crowd PORT CLIENTS ACTIVE SECS EVERY_MS TURNS [READS]");
    };
    let plan = Plan {
        port: u16::try_from(*port).unwrap_or_default(),
        clients: *clients,
        active: (*active).clamp(1, (*clients).max(1)),
        load: Duration::from_secs(*secs as u64),
        every: Duration::from_millis(*every as u64),
        turns: *turns == 1,
        reads: reads == [1],
    };
    let step = Barrier::new(plan.active + 1);
    let accounts: Vec<Account> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..plan.active)
            .map(|index| {
                scope.spawn({
                    let step = &step;
                    move || one(plan, index, step)
                })
            })
            .collect();
        for word in ["connected", "loaded"] {
            step.wait();
            println!("{word}");
            let _ = std::io::stdin().read_line(&mut String::new());
            step.wait();
        }
        threads.into_iter().filter_map(|t| t.join().ok()).collect()
    });
    report(plan, accounts);
}

/// One thread with its share of the clients.
fn one(plan: Plan, index: usize, step: &Barrier) -> Account {
    let mut account = Account::default();
    let mut random = Random::new(index as u64);
    let share = plan.clients / plan.active + usize::from(index < plan.clients % plan.active);
    let mut members = Vec::with_capacity(share);
    for _ in 0..share {
        match Member::join(plan.port, &mut random) {
            Ok(member) => members.push(member),
            Err(e) => account.errors.push(format!("at login: {e}")),
        }
    }
    step.wait(); // all are connected
    step.wait(); // begin
    if !plan.load.is_zero()
        && let Err(e) = load(plan, &mut members, &mut random, &mut account)
    {
        account.errors.push(e.to_string());
    }
    step.wait();
    step.wait();
    for mut member in members {
        if let Err(e) = member.read_text(&mut random) {
            account.errors.push(format!("at the end: {e}"));
        }
    }
    account
}

fn load(plan: Plan, members: &mut [Member], random: &mut Random, account: &mut Account) -> Result<()> {
    let began = Instant::now();
    // The clients do not march in step.
    let mut due = began + plan.every.mul_f64(random.fraction());
    while began.elapsed() < plan.load + WARM_UP {
        let chosen = if plan.turns { random.below(members.len()) } else { 0 };
        let member = members.get_mut(chosen).ok_or_else(|| other("no client"))?;
        let ahead = due.saturating_duration_since(Instant::now());
        if !ahead.is_zero() {
            std::thread::sleep(ahead);
        }
        let now = Instant::now();
        // What had to wait for the one before it waited all the same; a thread that woke up late did not.
        let from = if plan.every.is_zero() || !ahead.is_zero() { now } else { due };
        let counts = began.elapsed() >= WARM_UP;
        account.late += u64::from(counts && from < now);
        let mut done = |read, time: Duration| {
            let micros = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
            if counts {
                if read { account.reads.push(micros) } else { account.writes.push(micros) }
            }
        };
        if plan.reads {
            member.read_text(random)?;
            done(true, from.elapsed());
        } else {
            member.unit(random, from, done)?;
        }
        due += plan.every;
    }
    Ok(())
}

fn report(plan: Plan, accounts: Vec<Account>) {
    let (mut reads, mut writes, mut errors, mut late) = (Vec::new(), Vec::new(), Vec::new(), 0);
    let lost = plan.active - accounts.len();
    for account in accounts {
        reads.extend(account.reads);
        writes.extend(account.writes);
        errors.extend(account.errors);
        late += account.late;
    }
    let mut all = [reads.as_slice(), writes.as_slice()].concat();
    let figures: Vec<String> = [("", &mut all), ("read_", &mut reads), ("write_", &mut writes)]
        .into_iter()
        .map(|(name, times)| {
            times.sort_unstable();
            let at = |part: usize| times.get((times.len() * part / 100).min(times.len().saturating_sub(1)));
            let ms =
                |part: usize| at(part).map_or("null".to_owned(), |t| format!("{:.3}", f64::from(*t) / 1e3));
            format!("\"{name}p50\": {}, \"{name}p99\": {}", ms(50), ms(99))
        })
        .collect();
    // For JSON: what a string must escape is left out.
    let plain = |c: &char| (' '..='~').contains(c) && !['"', '\\'].contains(c);
    let words: Vec<String> = errors
        .iter()
        .take(5)
        .map(|e| format!("\"{}\"", e.chars().filter(plain).collect::<String>()))
        .collect();
    println!(
        "{{\"statements\": {}, \"qps\": {:.0}, {}, \"errors\": {}, \"words\": [{}], \"late\": {late}}}",
        all.len(),
        all.len() as f64 / plan.load.as_secs_f64().max(1.0),
        figures.join(", "),
        errors.len() + lost,
        words.join(", ")
    );
}
