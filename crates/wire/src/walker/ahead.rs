//! What the EOF packet behind column definitions says, for a client that expects it, where the server sends none: its flags
//! are those of the packet that ends the rows, if that packet is near.

use super::{MAX_CONTROL, MAX_HELD_BACK};
use crate::{EofPacket, MAX_PAYLOAD, OkPacket, PacketHeader, StatusFlags};

impl StatusFlags {
    /// Flags that a server may set only once all rows were sent. It sets the others before it sends the definitions.
    const OF_THE_END: StatusFlags = StatusFlags::LAST_ROW_SENT
        .union(StatusFlags::SESSION_STATE_CHANGED)
        .union(StatusFlags::QUERY_WAS_SLOW);
}

/// What the bytes behind the column definitions show.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ahead {
    /// Nothing yet: so many bytes are needed, counted from the end of the definitions.
    Need(usize),
    /// The EOF packet that the server would send in front of these rows.
    Eof(EofPacket),
    /// The rows are too many or too long to wait for their end.
    Far,
}

/// Looks for the packet that ends the rows at the beginning of `rows`. A server's own buffer has 16 KiB, so it sends no part
/// of a shorter result before the whole. `in_call`: the first row may be as long as an OK packet, since it may be the only
/// one, with the values of OUT parameters.
pub(super) fn look_ahead(rows: &[u8], in_call: bool, session_track: bool) -> Ahead {
    let mut at = 0;
    loop {
        let first_in_call = at == 0 && in_call;
        let rest = rows.get(at..).unwrap_or_default();
        let Some(header) = PacketHeader::parse(rest) else { return Ahead::Need(at + PacketHeader::LEN) };
        let end = at + header.total();
        match rest.get(PacketHeader::LEN) {
            None if header.len > 0 => return Ahead::Need(at + PacketHeader::LEN + 1),
            None | Some(0xff) => return Ahead::Far,
            Some(0xfe) if header.len < MAX_PAYLOAD => {
                if header.len > MAX_CONTROL {
                    return Ahead::Far;
                }
                return eof_of(rows, at, end, session_track);
            }
            Some(_) if end > MAX_HELD_BACK && !(first_in_call && header.len <= MAX_CONTROL) => {
                return Ahead::Far;
            }
            Some(_) => at = end,
        }
        if end > rows.len() {
            return Ahead::Need(end + PacketHeader::LEN);
        }
    }
}

/// Returns the EOF packet in front of rows that end with this packet, as far as the packet shows it.
pub(super) fn eof_in_front_of(ok: &OkPacket<'_>) -> EofPacket {
    EofPacket { warnings: 0, status: ok.status - StatusFlags::OF_THE_END }
}

/// Returns the EOF packet in front of the rows that end with the packet from `at` to `end`. Servers count the warnings of a
/// CALL before they send its OUT parameters, and repeat the number in the OK packet behind them. They raise nearly all other
/// warnings while they send the rows.
fn eof_of(rows: &[u8], at: usize, end: usize, session_track: bool) -> Ahead {
    let Some(packet) = rows.get(at + PacketHeader::LEN..end) else { return Ahead::Need(end) };
    let Ok(ok) = OkPacket::parse(packet, session_track) else { return Ahead::Far };
    let eof = eof_in_front_of(&ok);
    if !ok.status.contains(StatusFlags::PS_OUT_PARAMS | StatusFlags::MORE_RESULTS_EXISTS) {
        return Ahead::Eof(eof);
    }
    let rest = rows.get(end..).unwrap_or_default();
    let Some(header) = PacketHeader::parse(rest) else { return Ahead::Need(end + PacketHeader::LEN) };
    if header.len > MAX_CONTROL {
        return Ahead::Far;
    }
    let Some(packet) = rest.get(PacketHeader::LEN..header.total()) else {
        return Ahead::Need(end + header.total());
    };
    let warnings = OkPacket::parse(packet, session_track).map_or(0, |ok| ok.warnings);
    Ahead::Eof(EofPacket { warnings, ..eof })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame_with;

    fn rows(lengths: &[usize], end: StatusFlags) -> Vec<u8> {
        let mut out = Vec::new();
        for length in lengths {
            frame_with(&mut out, 0, |out| out.extend(std::iter::repeat_n(b'x', *length)));
        }
        let ok = OkPacket { status: end, warnings: 3, ..OkPacket::default() };
        frame_with(&mut out, 0, |out| ok.encode(out, 0xfe, true));
        out
    }

    fn near(rows: &[u8], in_call: bool) -> Ahead {
        // The bytes that it asks for are always more than it has, and lead to the answer.
        let mut has = 0;
        loop {
            match look_ahead(&rows[..has], in_call, true) {
                Ahead::Need(need) => {
                    assert!(need > has && need <= rows.len(), "{need} of {has}");
                    has = need;
                }
                found => return found,
            }
        }
    }

    #[test]
    fn the_end_of_a_short_result_is_known_in_front_of_its_rows() {
        let status = StatusFlags::IN_TRANS | StatusFlags::MORE_RESULTS_EXISTS;
        for lengths in [&[][..], &[1], &[5, 9000, 300]] {
            let found = near(&rows(lengths, status | StatusFlags::OF_THE_END), false);
            assert_eq!(found, Ahead::Eof(EofPacket { warnings: 0, status }), "{lengths:?}");
        }
    }

    #[test]
    fn warnings_are_known_with_out_parameters() {
        let status = StatusFlags::PS_OUT_PARAMS | StatusFlags::MORE_RESULTS_EXISTS;
        let mut rows = rows(&[20], status);
        let ok = OkPacket { warnings: 5, ..OkPacket::default() };
        frame_with(&mut rows, 0, |out| ok.encode(out, 0, true));
        assert_eq!(near(&rows, true), Ahead::Eof(EofPacket { warnings: 5, status }));
    }

    #[test]
    fn the_end_of_a_long_result_is_not_awaited() {
        assert_eq!(near(&rows(&[9000, 9000], StatusFlags::empty()), false), Ahead::Far);
        assert_eq!(near(&rows(&[9000, 9000], StatusFlags::empty()), true), Ahead::Far);
        assert_eq!(near(&rows(&[900_000], StatusFlags::empty()), false), Ahead::Far);
        assert!(matches!(near(&rows(&[900_000], StatusFlags::empty()), true), Ahead::Eof(_)));
        assert_eq!(look_ahead(&[5, 0, 0, 0, 0xff], false, true), Ahead::Far);
    }
}
