//! How many harmless reads the guard refuses, by its reason. And whether the port refuses what the guard refuses.

use super::finding::shown;
use super::{Plan, Settings, has_any, run};
use crate::replica_port::client::{Answer, Bytes};
use crate::replica_port::scene::{Places, Scene};
use crate::support::Chance;
use pointsman::sql::read_only::Reason;
use std::collections::BTreeMap;
use std::fmt;

/// What became of a sample of refused texts.
#[derive(Debug, Default)]
pub struct Quality {
    waiting: Vec<(Settings, Vec<u8>, Reason)>,
    /// By reason: texts of the sample, texts that a server runs for an account that may only read, and some of these.
    by_reason: BTreeMap<&'static str, (usize, usize, Vec<String>)>,
    port: u16,
    /// One of so many refused texts is asked about.
    one_of: usize,
}

impl Quality {
    /// Makes an account that may only read.
    pub async fn new(scene: &Scene, one_of: usize) -> Self {
        let primary = scene.cluster.primary();
        primary
            .sql("CREATE USER reader@'%' IDENTIFIED BY 'reader'; GRANT SELECT ON test.* TO reader@'%'")
            .await;
        scene.cluster.wait_caught_up().await;
        Quality { port: scene.replica().port(), one_of, ..Quality::default() }
    }

    /// Keeps one of many refused texts.
    pub fn note(&mut self, chance: &mut Chance, settings: &Settings, text: &[u8], reason: Reason) {
        // A placeholder is replaced by something else, which the guard may read.
        if chance.below(self.one_of) == 0 && !text.contains(&b'{') {
            self.waiting.push((settings.clone(), text.to_vec(), reason));
        }
    }

    /// Sends the texts that were kept to the port, and to the replica for an account that may only read. Returns texts that the
    /// port did not refuse.
    pub async fn ask(&mut self, scene: &Scene, places: &Places) -> Vec<String> {
        let mut let_through = Vec::new();
        for (settings, text, reason) in std::mem::take(&mut self.waiting) {
            let plan = Plan { settings: settings.clone(), texts: vec![text.clone()] };
            let answers = run(scene.proxy.ro, &plan, places).await;
            // The port knows more functions than the guard does without a catalogue.
            if answers.contains(&Answer::Done) && reason != Reason::UnknownFunction {
                let_through.push(format!("{reason:?}, {settings:?}: {}", shown(&text)));
            }
            let counted = self.by_reason.entry(reason.as_str()).or_default();
            counted.0 += 1;
            // These views change the server for whoever may read them.
            if settings.prepared || has_any(&text, &["v_"]) || !directly(self.port, &settings, &text).await {
                continue;
            }
            counted.1 += 1;
            if counted.2.len() < 8 {
                counted.2.push(shown(&text));
            }
        }
        let_through
    }
}

/// True if a server runs a text in a read-only transaction of an account that may only read.
async fn directly(port: u16, settings: &Settings, text: &[u8]) -> bool {
    let Ok(mut session) = Bytes::directly(port, "reader", settings.collation).await else { return false };
    session.text(b"SET SESSION TRANSACTION READ ONLY").await;
    if let Some(names) = &settings.names {
        session.text(format!("SET NAMES {names}").as_bytes()).await;
    }
    session.text(format!("SET sql_mode = '{}'", settings.mode).as_bytes()).await;
    session.text(text).await == Answer::Done
}

impl fmt::Display for Quality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "refused texts that a server runs for an account that may only read, of a sample:")?;
        for (reason, (asked, run, some)) in &self.by_reason {
            writeln!(f, "  {run} of {asked}: {reason}")?;
            for text in some {
                writeln!(f, "      {}", text.replace('\n', " "))?;
            }
        }
        Ok(())
    }
}
