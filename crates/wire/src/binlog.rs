//! Events of MySQL's binary log. The proxy reads only which transactions the log has, and the statement texts in
//! them. Formats: libs/mysql/binlog/event/ of MySQL's source.

use super::{ProtocolError, Reader};

/// One event of the binary log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BinlogEvent<'a> {
    /// GTID_LOG_EVENT: a transaction begins.
    Gtid {
        /// The UUID part of the transaction's GTID.
        source: u128,
        /// The number part of the transaction's GTID.
        number: u64,
    },
    /// QUERY_EVENT: `BEGIN`, `SAVEPOINT`, a DDL statement, or any statement with `binlog_format = STATEMENT`.
    Query {
        /// The statement; incomplete if the bytes that were given to `parse` end inside it.
        text: &'a [u8],
    },
    /// An event whose content is not read: the beginning of a transaction with a tagged GTID or without a GTID, or
    /// TRANSACTION_PAYLOAD_EVENT, which holds the compressed events of a transaction.
    Unread,
    /// FORMAT_DESCRIPTION_EVENT: describes the events behind it.
    Format {
        /// The bytes of checksum at the end of each event; None if the kind of checksum is unknown.
        checksum: Option<usize>,
    },
    /// Anything else.
    Other,
}

impl<'a> BinlogEvent<'a> {
    /// The first bytes of an event that `parse` needs. Only a longer statement text is incomplete then.
    pub const HEAD: usize = 1024;

    /// Reads an event; its first `HEAD` bytes are enough. `event` must not include the checksum, except for a
    /// FORMAT_DESCRIPTION_EVENT, which always has one.
    pub fn parse(event: &'a [u8]) -> Result<Self, ProtocolError> {
        const WHAT: &str = "an event of the binary log";
        let mut r = Reader::new(event);
        r.bytes(4, WHAT)?;
        let kind = r.u8(WHAT)?;
        r.bytes(14, WHAT)?;
        Ok(match kind {
            2 => {
                // The connection id (on a replica, that of its applier thread) and the execution time.
                r.bytes(4 + 4, WHAT)?;
                let schema = r.u8(WHAT)?;
                r.u16(WHAT)?;
                let variables = r.u16(WHAT)?;
                r.bytes(usize::from(variables) + usize::from(schema) + 1, WHAT)?;
                BinlogEvent::Query { text: r.rest() }
            }
            33 => {
                r.u8(WHAT)?;
                let uuid = r.bytes(16, WHAT)?;
                let source = uuid.iter().fold(0, |uuid, byte| (uuid << 8) | u128::from(*byte));
                let (low, high) = (r.u32(WHAT)?, r.u32(WHAT)?);
                BinlogEvent::Gtid { source, number: u64::from(low) | (u64::from(high) << 32) }
            }
            15 => {
                let checksum = match event.iter().nth_back(4) {
                    Some(0) => Some(0),
                    // CRC32
                    Some(1) => Some(4),
                    _ => None,
                };
                BinlogEvent::Format { checksum }
            }
            34 | 40 | 42 => BinlogEvent::Unread,
            _ => BinlogEvent::Other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Part of the binary log of a MySQL 9.7.4 replica: `INSERT INTO t VALUES (20)`, `SAVEPOINT` and `COMMIT`, which a
    /// client ran on the replica's source with `binlog_format = ROW`. The last four bytes of each event are a checksum.
    const LOG: &str = "
        90a5016b210100000056000000140800000000009add684ae5b411f1ab5002fc000000010800000000000000020200000000
        00000008000000000000004ee293e0c960860acf93e0c96006fc7a015062010035505cbf90a5016b0201000000460000005a
        0800000800480000000000000004000018000000000000012000a845000000000421002100ff0012ff007465737400424547
        494e16a7e87b90a5016b13010000002f0000008908000000006a000000000001000474657374000174000103000001010082
        042e9190a5016b1e0100000028000000b108000000006a00000000001100020001ff0014000000e6d7e2fc90a5016b020100
        00006800000019090000080048000000000000000000001d000000000000012000a0450000000006037374640421002100ff
        0012ff000053415645504f494e542060706f696e74736d616e203031323334353637383961626364656660d58aa93590a501
        6b10010000001f00000038090000000017000000000000008192d19a";

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    fn events(log: &[u8]) -> Vec<&[u8]> {
        let (mut rest, mut events) = (log, Vec::new());
        while rest.len() >= 19 {
            let size = u32::from_le_bytes(rest[9..13].try_into().unwrap()) as usize;
            let (event, next) = rest.split_at(size);
            events.push(&event[..size - 4]);
            rest = next;
        }
        assert!(rest.is_empty(), "{} bytes are left", rest.len());
        events
    }

    #[test]
    fn a_replica_keeps_the_savepoints_of_a_transaction() {
        let log = bytes(LOG);
        let found: Vec<_> =
            events(&log).into_iter().map(|event| BinlogEvent::parse(event).unwrap()).collect();
        let source = 0x9add_684a_e5b4_11f1_ab50_02fc_0000_0001;
        let savepoint = b"SAVEPOINT `pointsman 0123456789abcdef`";
        assert_eq!(
            found,
            [
                BinlogEvent::Gtid { source, number: 8 },
                BinlogEvent::Query { text: b"BEGIN" },
                BinlogEvent::Other,
                BinlogEvent::Other,
                BinlogEvent::Query { text: savepoint },
                BinlogEvent::Other,
            ]
        );
    }

    #[test]
    fn the_format_tells_the_checksums() {
        let format = "b6a8016b0f020000007b0000007f00000000000400392e372e342d32\
            00000000000000000000000000000000000000000000000000000000000000000000000000000000\
            0000000000000000000013000d0008000000000400040000006300041a08000000000000020000000a0a0a2a2a001234000a2800\
            0001edfc9a83";
        let mut format = bytes(format);
        assert_eq!(BinlogEvent::parse(&format), Ok(BinlogEvent::Format { checksum: Some(4) }));
        let at = format.len() - 5;
        for (kind, checksum) in [(0, Some(0)), (2, None)] {
            format[at] = kind;
            assert_eq!(BinlogEvent::parse(&format), Ok(BinlogEvent::Format { checksum }));
        }
    }

    #[test]
    fn what_is_not_read_is_known_as_such() {
        let log = bytes(LOG);
        let mut event = events(&log)[0].to_vec();
        for kind in [34, 40, 42] {
            event[4] = kind;
            assert_eq!(BinlogEvent::parse(&event), Ok(BinlogEvent::Unread));
        }
    }

    #[test]
    fn what_breaks_off_is_an_error() {
        let log = bytes(LOG);
        let events = events(&log);
        for cut in 0..19 {
            assert!(BinlogEvent::parse(&events[0][..cut]).is_err(), "{cut}");
        }
        assert!(BinlogEvent::parse(&events[0][..19 + 1 + 16 + 7]).is_err());
        assert!(BinlogEvent::parse(&events[1][..19 + 13]).is_err());
    }
}
