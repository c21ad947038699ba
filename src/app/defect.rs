//! A panic in any thread ends the process. Otherwise the runtimes would catch the panics of their tasks, and the
//! proxy would go on without these tasks.

use std::panic::PanicHookInfo;

/// The exit code for an internal software error (EX_SOFTWARE in sysexits.h).
pub(super) const EXIT_DEFECT: i32 = 70;

/// Makes every panic from now on, in any thread, end the process.
pub(super) fn end_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        // Prints the usual text, and with RUST_BACKTRACE the backtrace, even if the log is filtered or broken.
        report(panic);
        let thread = std::thread::current();
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(
            panic = message(panic),
            thread = thread.name().unwrap_or("unnamed"),
            place,
            "a defect of pointsman: the process ends"
        );
        std::process::exit(EXIT_DEFECT);
    }));
}

fn message<'a>(panic: &'a PanicHookInfo<'_>) -> &'a str {
    let payload = panic.payload();
    let owned = || payload.downcast_ref::<String>().map(String::as_str);
    payload.downcast_ref::<&str>().copied().or_else(owned).unwrap_or("without a text")
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use super::*;
    use crate::telemetry::{LogStyle, init_tracing};

    /// The environment variable that tells this test's second process which part must panic.
    const PART: &str = "POINTSMAN_TEST_DEFECT";
    const NAME: &str = "app::defect::tests::a_panic_in_any_task_ends_the_process";

    /// Runs a control thread like that of `app::run`, and a worker like that of `server::worker`; one task panics.
    fn run_half_a_proxy(part: &str) {
        init_tracing(LogStyle::Text, "info").unwrap();
        end_on_panic();
        let (in_worker, in_control) = (part == "worker", part.to_owned());
        std::thread::Builder::new().name("worker-0".into()).spawn(move || half(in_worker)).unwrap();
        half_with(async move {
            let defect = async { panic!("of a {} task", "control") };
            match in_control.as_str() {
                "control" => drop(tokio::task::spawn_local(defect)),
                "sent" => drop(tokio::spawn(defect)),
                _ => {}
            }
        });
    }

    fn half(panics: bool) {
        half_with(async move {
            if panics {
                tokio::task::spawn_local(async { panic!("of a worker's session") });
            }
        });
    }

    fn half_with(first: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(tokio::task::LocalSet::new().run_until(async {
            first.await;
            // If this sleep completes, the panic did not end the process.
            tokio::time::sleep(Duration::from_secs(20)).await;
        }));
    }

    #[test]
    fn a_panic_in_any_task_ends_the_process() {
        if let Ok(part) = std::env::var(PART) {
            return run_half_a_proxy(&part);
        }
        for (part, thread, message) in [
            ("worker", "thread=\"worker-0\"", "panic=\"of a worker's session\""),
            ("control", "thread=\"", "panic=\"of a control task\""),
            ("sent", "thread=\"", "panic=\"of a control task\""),
        ] {
            let ended = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", NAME, "--nocapture"])
                .env(PART, part)
                .env_remove("RUST_LOG")
                .output()
                .unwrap();
            let log = String::from_utf8_lossy(&ended.stderr);
            assert_eq!(ended.status.code(), Some(EXIT_DEFECT), "{part}: {log}");
            let line = log.lines().find(|line| line.contains("a defect of pointsman: the process ends"));
            let line = line.unwrap_or_else(|| panic!("{part}: no line in {log}"));
            for part in [thread, message, "ERROR", "place=\"src/app/defect.rs:"] {
                assert!(line.contains(part), "{part}: {line}");
            }
        }
    }
}
