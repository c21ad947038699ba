//! `pointsman demo`: private servers of this machine's MariaDB, the proxy, some traffic and a live table, by scripts that
//! packages bring along.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::AppError;

/// What `pointsman demo` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::Subcommand)]
pub(super) enum DemoStep {
    /// In another terminal: change the primary of the running demo.
    Failover {
        /// Kill the primary, and promote a replica; otherwise the change is planned.
        #[arg(long)]
        kill: bool,
    },
}

/// Where the scripts may be, in this order, for a program in this folder: in an archive, in a package, in the source.
fn places(folder: &Path) -> [PathBuf; 3] {
    [folder.join("demo"), folder.join("../share/pointsman/demo"), folder.join("../..")]
}

/// Becomes the script of the demo. Returns only if there is none.
pub(super) fn demo(step: Option<DemoStep>) -> AppError {
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return AppError::Io(error),
    };
    let script = if step.is_some() { "deploy/demo/failover.sh" } else { "deploy/demo/demo.sh" };
    let folder = program.parent().unwrap_or(Path::new("/"));
    let Some(found) = places(folder).into_iter().map(|place| place.join(script)).find(|path| path.exists())
    else {
        return AppError::Target(format!(
            "the scripts of the demo are not beside {}: they are in the packages and in the archive, as demo/{script}",
            program.display()
        ));
    };
    let kill = matches!(step, Some(DemoStep::Failover { kill: true }));
    let mut command = Command::new("bash");
    command.arg(found).env("POINTSMAN", &program).env("KILL", if kill { "1" } else { "" });
    AppError::Io(command.exec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scripts_are_looked_for_beside_the_program_first() {
        let [archive, package, _] = places(Path::new("/usr/bin"));
        assert_eq!(archive, Path::new("/usr/bin/demo"));
        assert_eq!(package, Path::new("/usr/bin/../share/pointsman/demo"));
    }
}
