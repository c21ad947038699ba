//! `pointsman top`: a live view of a running proxy in the terminal: its servers, its ports, and the digests on which it
//! spends its time.

mod model;
#[cfg(test)]
mod tests;
mod view;

use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::Duration;

use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{self, Event, KeyEvent, KeyEventKind};
use ratatui::{DefaultTerminal, Terminal};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};

use self::model::{Model, Sample, Then, TopDigests};
use super::AppError;
use super::status::{StatusTarget, Where, get};

/// How often the proxy is asked.
const REFRESH: Duration = Duration::from_secs(1);
/// How long the proxy may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Shows the proxy at `target` until a key ends it.
pub(super) fn top(target: &StatusTarget) -> Result<ExitCode, AppError> {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        let text = "pointsman top needs a terminal; pointsman status and /digests are for scripts";
        return Err(AppError::Target(text.to_owned()));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut terminal = ratatui::try_init()?;
    let done = runtime.block_on(watch(target, &mut terminal));
    ratatui::try_restore()?;
    done.map(|()| ExitCode::SUCCESS).map_err(AppError::Io)
}

/// Returns the screen of `pointsman top` after two answers of the proxy at this URL. For tests, which have no terminal.
#[doc(hidden)]
pub async fn top_screen(url: &str, width: u16, height: u16) -> Result<String, AppError> {
    let place =
        Where { url: url.to_owned(), ca_file: None, tls_name: None, token_file: None, token_env: None };
    let target = StatusTarget::of(&place)?;
    let (samples, mut sampled) = mpsc::channel(1);
    let mut model = Model::default();
    let read = async {
        for sample in [sampled.recv().await, sampled.recv().await].into_iter().flatten() {
            model.update(sample);
        }
    };
    tokio::select! {
        () = poll(&target, samples) => {}
        () = read => {}
    }
    let Ok(mut terminal) = Terminal::new(TestBackend::new(width, height));
    let Ok(_) = terminal.draw(|frame| view::draw(frame, &mut model));
    Ok(terminal.backend().to_string())
}

async fn watch(target: &StatusTarget, terminal: &mut DefaultTerminal) -> io::Result<()> {
    let (samples, mut sampled) = mpsc::channel(1);
    let polling = poll(target, samples);
    tokio::pin!(polling);
    let mut keys = keys()?;
    let mut model = Model::default();
    loop {
        terminal.draw(|frame| view::draw(frame, &mut model))?;
        tokio::select! {
            () = &mut polling => return Ok(()),
            Some(sample) = sampled.recv() => model.update(sample),
            key = keys.recv() => match key.map(|key| model.key(key)) {
                Some(Then::GoOn) => {}
                Some(Then::Quit) | None => return Ok(()),
            },
        }
    }
}

/// The digests on which most time was spent: more than anybody looks through.
const DIGESTS: &str = "/digests?most=1000";

/// Asks the proxy again and again.
async fn poll(target: &StatusTarget, samples: mpsc::Sender<Result<Sample, String>>) {
    let mut pace = interval(REFRESH);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        pace.tick().await;
        let both = async {
            let digests: TopDigests = get(target, DIGESTS).await?;
            Ok(Sample::of(get(target, "/topology").await?, digests))
        };
        let sample = match timeout(PATIENCE, both).await {
            Ok(sample) => sample.map_err(|error: super::http::HttpError| error.to_string()),
            Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
        };
        if samples.send(sample.map_err(|reason| target.silent(&reason))).await.is_err() {
            return;
        }
    }
}

/// Reads keys on a thread of its own, which ends with the process. A change of the terminal's size counts as a key.
fn keys() -> io::Result<mpsc::Receiver<Option<KeyEvent>>> {
    let (sender, receiver) = mpsc::channel(16);
    let read = move || {
        while let Ok(event) = event::read() {
            let key = match event {
                Event::Key(key) if key.kind != KeyEventKind::Release => Some(key),
                Event::Resize(..) => None,
                _ => continue,
            };
            if sender.blocking_send(key).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().name("keys".to_owned()).spawn(read)?;
    Ok(receiver)
}
