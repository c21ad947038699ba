//! The name of an operating system's user, by the password file of this system: who is at the other end of a unix socket.

use std::io::{BufRead, BufReader, Read};

/// Where the users are.
const FILE: &str = "/etc/passwd";

/// The most that is read of the file, in bytes.
const MOST: u64 = 1 << 20;

/// Returns the name of the user with this id. None: the file does not have it. Reads a small local file.
pub(super) fn name_of(id: u32) -> Option<Box<str>> {
    find(BufReader::new(std::fs::File::open(FILE).ok()?.take(MOST)), id)
}

/// Finds the first user with this id, as `getpwuid` does.
fn find(file: impl BufRead, id: u32) -> Option<Box<str>> {
    let has_id = |line: &[u8]| {
        let line = std::str::from_utf8(line).ok()?;
        let mut fields = line.split(':');
        let (name, _, uid) = (fields.next()?, fields.next()?, fields.next()?);
        // NIS entries, `+name`, are not users of this file.
        let is_user = !name.is_empty() && !name.starts_with(['+', '-']);
        (is_user && uid.parse() == Ok(id)).then(|| name.into())
    };
    file.split(b'\n').map_while(Result::ok).find_map(|line| has_id(&line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_user_of_an_id_counts() {
        let file =
            b"# comment\nroot:x:0:0:root:/root:/bin/sh\n\ntoor:x:0:0::/:/bin/sh\nbad\n:x:5::\n+nis:x:6::\n\
            caf\xe9:x:7:7::/:\napp:x:1000:1000::/:/bin/sh";
        let name = |id| find(&file[..], id);
        assert_eq!(name(0).as_deref(), Some("root"));
        assert_eq!(name(1000).as_deref(), Some("app"));
        for id in [1, 5, 6, 7, u32::MAX] {
            assert_eq!(name(id), None, "{id}");
        }
    }

    #[test]
    fn this_system_knows_root() {
        assert_eq!(name_of(0).as_deref(), Some("root"));
    }
}
