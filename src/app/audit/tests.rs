use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::*;
use crate::config::{AuditTarget, Config};
use crate::telemetry::{AuditOutcome, AuditRecord};
use crate::terms::AuditKind;

/// A folder that is removed with its owner.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("pointsman-audit-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn log(&self) -> PathBuf {
        self.0.join("audit.log")
    }

    fn read(&self, ending: &str) -> Option<String> {
        fs::read_to_string(self.0.join(format!("audit.log{ending}"))).ok()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn settings(path: &Path, max_size: usize, keep: u16) -> AuditSettings {
    AuditSettings { to: AuditTarget::File(path.to_owned()), max_size, keep, ..AuditSettings::default() }
}

fn live(audit: AuditSettings) -> Arc<Live> {
    let config = Config::parse(include_str!("../../../config/pointsman.toml"), Path::new("")).unwrap();
    Arc::new(Live { audit, ..config.live })
}

fn record(user: &str) -> AuditRecord {
    AuditRecord::now(AuditKind::Login, 7, user, Some("10.0.0.7:51234".parse().unwrap()))
}

#[test]
fn a_full_file_is_set_aside() {
    let folder = Folder::new("full");
    let settings = settings(&folder.log(), 10, 2);
    let mut output = AuditOutput::open(&settings).unwrap();
    for line in ["one\n", "two\n", "three\n", "four\n", "five\n", "a line of more than ten bytes\n", "six\n"]
    {
        output.write(line, &settings).unwrap();
    }
    assert_eq!(folder.read("").unwrap(), "six\n");
    assert_eq!(folder.read(".1").unwrap(), "a line of more than ten bytes\n");
    assert_eq!(folder.read(".2").unwrap(), "four\nfive\n");
    assert_eq!(folder.read(".3"), None);
    // The size of a file that was there counts.
    let mut output = AuditOutput::open(&settings).unwrap();
    output.write("seven\n", &settings).unwrap();
    output.write("eight\n", &settings).unwrap();
    assert_eq!(
        (folder.read("").unwrap(), folder.read(".1").unwrap()),
        ("eight\n".into(), "six\nseven\n".into())
    );
    let none = AuditSettings { keep: 0, ..settings };
    output.write("nine\n", &none).unwrap();
    assert_eq!(
        (folder.read("").unwrap(), folder.read(".1").unwrap()),
        ("nine\n".into(), "six\nseven\n".into())
    );
}

#[test]
fn a_file_that_was_moved_is_opened_again() {
    let folder = Folder::new("moved");
    let settings = settings(&folder.log(), 1000, 2);
    let mut output = AuditOutput::open(&settings).unwrap();
    output.write("one\n", &settings).unwrap();
    fs::rename(folder.log(), folder.0.join("audit.log.old")).unwrap();
    output.write("two\n", &settings).unwrap();
    output.follow(&settings).unwrap();
    output.write("three\n", &settings).unwrap();
    output.follow(&settings).unwrap();
    assert_eq!(
        (folder.read("").unwrap(), folder.read(".old").unwrap()),
        ("three\n".into(), "one\ntwo\n".into())
    );
}

#[test]
fn events_are_lines_of_json() {
    let mut login = record("a\"\nb");
    login.time_us = 1_767_225_599_000_000;
    assert_eq!(
        line::line(&login),
        "{\"time\":\"2025-12-31T23:59:59.000000Z\",\"event\":\"login\",\"user\":\"a\\\"\\nb\",\
         \"client\":\"10.0.0.7:51234\",\"session\":7,\"outcome\":\"ok\"}\n"
    );
    let refused = AuditRecord {
        statement: "DROP TABLE `t`".into(),
        schema: "shop".into(),
        client: None,
        outcome: AuditOutcome { failed: true, error: Some(1142), reason: Some("password") },
        left_out: 3,
        ..login
    };
    let line = line::line(&refused);
    assert!(
        line.contains("\"client\":\"unix\"") && line.contains("\"statement\":\"DROP TABLE `t`\""),
        "{line}"
    );
    assert!(
        line.contains("\"outcome\":\"failed\",\"error\":1142,\"reason\":\"password\",\"left_out\":3}"),
        "{line}"
    );
}

/// A process stopped while it wrote.
#[test]
fn a_torn_line_of_another_process_is_ended_first() {
    let folder = Folder::new("torn");
    let settings = settings(&folder.log(), 1000, 2);
    for (before, after) in
        [("", "next\n"), ("{\"a\":1}\n", "{\"a\":1}\nnext\n"), ("{\"a\"", "{\"a\"\nnext\n")]
    {
        fs::write(folder.log(), before).unwrap();
        AuditOutput::open(&settings).unwrap().write("next\n", &settings).unwrap();
        assert_eq!(folder.read("").unwrap(), after);
    }
}

#[test]
fn the_end_waits_while_the_queue_is_full() {
    let (sender, messages) = AuditSender::new();
    while sender.counts().lost.load(Relaxed) == 0 {
        sender.record(record("one"));
    }
    let (begin, begun) = sync_channel(0);
    let writes = std::thread::spawn(move || {
        begun.recv().unwrap();
        messages.iter().filter(|message| matches!(message, AuditMessage::Record(_))).count()
    });
    let end = std::thread::spawn(move || drop(Audit(sender)));
    begin.send(()).unwrap();
    end.join().unwrap();
    assert!(writes.join().unwrap() > 1000);
}

#[test]
fn what_cannot_be_written_is_counted_and_the_end_waits_for_the_rest() {
    let folder = Folder::new("lost");
    let path = folder.0.join("no-such-folder").join("audit.log");
    let (settings, live) = watch::channel(live(settings(&path, 1000, 1)));
    let audit = Audit::start(live).unwrap();
    let counts = audit.0.counts().clone();
    let count = || (counts.written.load(Relaxed), counts.lost.load(Relaxed));
    let wait = |wanted: (u64, u64)| {
        let (confirm, written) = sync_channel(1);
        assert!(audit.0.flush(confirm));
        written.recv_timeout(Duration::from_secs(5)).unwrap();
        assert_eq!(count(), wanted);
    };
    audit.sender().record(record("one"));
    wait((0, 1));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    // The thread looks again after a while.
    let opened = (0..100).any(|_| {
        let (_keep, never) = sync_channel::<()>(1);
        let _ = never.recv_timeout(Duration::from_millis(50));
        path.exists()
    });
    assert!(opened, "the file was never opened");
    audit.sender().record(record("two"));
    wait((1, 1));
    settings.send_modify(|live| {
        *live = super::tests::live(AuditSettings { to: AuditTarget::Off, ..live.audit.clone() })
    });
    drop(audit);
    assert!(fs::read_to_string(&path).unwrap().contains("\"user\":\"two\""));
}
