//! Where the audit log goes: standard output, or a file that is set aside when it is full, and opened again when somebody
//! else has moved it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::config::{AuditSettings, AuditTarget};

/// The owner writes, the group reads.
const MODE: u32 = 0o640;

/// See the module.
pub(super) enum AuditOutput {
    /// The log is off.
    Off,
    /// The file could not be opened, or not be written.
    Failed,
    /// Standard output.
    Stdout,
    /// The open file, its size, and whether its last line is torn.
    File(File, u64, bool),
}

impl AuditOutput {
    /// Opens what the settings name.
    pub fn open(settings: &AuditSettings) -> io::Result<Self> {
        match &settings.to {
            AuditTarget::Off => Ok(AuditOutput::Off),
            AuditTarget::Stdout => Ok(AuditOutput::Stdout),
            AuditTarget::File(path) => file(path),
        }
    }

    /// Opens the file again, if it could not be opened before, or if the path has another file now.
    pub fn follow(&mut self, settings: &AuditSettings) -> io::Result<()> {
        let is_there = match (&*self, &settings.to) {
            (AuditOutput::Failed, _) => false,
            (AuditOutput::File(file, ..), AuditTarget::File(path)) => is_at(file, path),
            _ => true,
        };
        if !is_there {
            *self = AuditOutput::open(settings)?;
        }
        Ok(())
    }

    /// Writes a line.
    pub fn write(&mut self, line: &str, settings: &AuditSettings) -> io::Result<()> {
        self.make_room(line.len() as u64, settings)?;
        match self {
            AuditOutput::Off => Ok(()),
            AuditOutput::Failed => Err(io::Error::other("the file is not open")),
            AuditOutput::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(line.as_bytes()).and_then(|()| out.flush())
            }
            AuditOutput::File(file, size, torn) => {
                if *torn {
                    file.write_all(b"\n")?;
                }
                // A part of a line may be written before an error.
                *torn = true;
                file.write_all(line.as_bytes())?;
                (*size, *torn) = (*size + line.len() as u64, false);
                Ok(())
            }
        }
    }

    /// Sets a full file aside, and begins a new one.
    fn make_room(&mut self, bytes: u64, settings: &AuditSettings) -> io::Result<()> {
        let (AuditOutput::File(file, size, _), AuditTarget::File(path)) = (&mut *self, &settings.to) else {
            return Ok(());
        };
        if *size == 0 || *size + bytes <= settings.max_size as u64 {
            return Ok(());
        }
        // Another process, or an administrator, may have set it aside already.
        if is_at(file, path)
            && let Err(error) = set_aside(path, settings.keep)
        {
            // Better a file that is too large than lost events. Tried again when as much has come again.
            tracing::error!(%error, file = %path.display(), "audit: the full file cannot be renamed");
            *size = 0;
            return Ok(());
        }
        *self = AuditOutput::Failed;
        *self = AuditOutput::open(settings)?;
        Ok(())
    }
}

fn file(path: &Path) -> io::Result<AuditOutput> {
    let wrong = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let file = OpenOptions::new().create(true).append(true).mode(MODE).open(path).map_err(wrong)?;
    let size = file.metadata().map_err(wrong)?.len();
    let torn = ends_torn(path).map_err(wrong)?;
    Ok(AuditOutput::File(file, size, torn))
}

/// True if the last line of a file has no end: a process stopped while it wrote the line, or the disk was full.
fn ends_torn(path: &Path) -> io::Result<bool> {
    // Opened for writing only: another file of the same path.
    let mut file = match File::open(path) {
        Ok(file) => file,
        // The process may write the file and not read it.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(false),
        Err(error) => return Err(error),
    };
    let mut last = [0];
    match file.seek(SeekFrom::End(-1)) {
        Ok(_) => file.read_exact(&mut last).map(|()| last != *b"\n"),
        // An empty file, or a pipe.
        Err(_) => Ok(false),
    }
}

/// True if the path has this file.
fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(open), Ok(there)) = (file.metadata(), fs::metadata(path)) else { return false };
    (open.dev(), open.ino()) == (there.dev(), there.ino())
}

/// Renames the file to `….1`, the file that has this name to `….2`, and so on. `keep` files remain.
fn set_aside(path: &Path, keep: u16) -> io::Result<()> {
    if keep == 0 {
        return fs::remove_file(path);
    }
    for number in (1..keep).rev() {
        match fs::rename(numbered(path, number), numbered(path, number + 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    fs::rename(path, numbered(path, 1))
}

fn numbered(path: &Path, number: u16) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}
