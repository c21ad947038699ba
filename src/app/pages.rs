//! What packages need of the command line: completions for shells, and manual pages. Both are made of clap's definitions, so
//! that they cannot differ from `--help`.

use std::io;
use std::path::Path;

/// A shell with completions in a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// Returns the completions of the command line for a shell.
pub(super) fn completions(shell: Shell, mut command: clap::Command) -> String {
    let mut script = Vec::new();
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    clap_complete::generate(shell, &mut command, "pointsman", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// Writes `pointsman.1`, and a page for each command beside it: `pointsman-run.1`.
pub(super) fn write_manual(command: clap::Command, folder: &Path) -> io::Result<()> {
    clap_mangen::generate_to(command.disable_help_subcommand(true), folder)
}
