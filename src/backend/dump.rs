//! COM_BINLOG_DUMP_GTID: reads a MySQL server's binary log up to its current end.

use super::{Connection, QueryError, ServerError};
use crate::net::{Buf, Stream};
use crate::topology::GtidSet;
use crate::wire::{BinlogEvent, ErrPacket, MAX_PAYLOAD, PacketHeader, frame_with};

/// BINLOG_DUMP_NON_BLOCK and BINLOG_THROUGH_GTID.
const FLAGS: u16 = 0x01 | 0x04;

/// Where the events begin in a file: behind its magic number.
const FIRST: u64 = 4;

/// Declares that the proxy understands the server's checksums, which a dump requires; under the name from
/// before 8.0.26, too. Whatever is declared, the server does not strip the checksums.
const CHECKSUMS: &str = "SET @source_binlog_checksum = @@global.binlog_checksum, @master_binlog_checksum = @@global.binlog_checksum";

impl<S: Stream> Connection<S> {
    /// Calls `each` with the events of the server's binary log, except those of the transactions in
    /// `excluded`. Needs REPLICATION SLAVE. Returns false if there were more than `most` bytes, or unreadable
    /// ones. The connection cannot be used afterwards.
    pub async fn binlog(
        &mut self,
        excluded: &GtidSet,
        most: usize,
        mut each: impl FnMut(BinlogEvent<'_>),
    ) -> Result<bool, QueryError> {
        self.query(CHECKSUMS).await?;
        let set = excluded.dump_form();
        let mut out = Buf::default();
        out.replace_with(|out| {
            frame_with(out, 0, |out| {
                out.push(0x1e);
                out.extend_from_slice(&FLAGS.to_le_bytes());
                // Server id 0, as mysqlbinlog sends: with a replica's id, the server would end that replica's
                // dump.
                out.extend_from_slice(&0u32.to_le_bytes());
                // No file name: the server begins with the first file that is needed.
                out.extend_from_slice(&0u32.to_le_bytes());
                out.extend_from_slice(&FIRST.to_le_bytes());
                out.extend_from_slice(&u32::try_from(set.len()).unwrap_or(u32::MAX).to_le_bytes());
                out.extend_from_slice(&set);
            });
        });
        self.stream.write_all(out).await.0?;
        let mut buf = Buf::with_room(64 << 10);
        let (mut all, mut goes_on, mut checksum) = (0, false, 0);
        loop {
            let need = PacketHeader::LEN + 1 + BinlogEvent::HEAD;
            self.fill(&mut buf, PacketHeader::LEN).await?;
            let Some(header) = PacketHeader::parse(buf.filled()) else { continue };
            self.fill(&mut buf, header.total().min(need)).await?;
            all += header.total();
            let head = buf.filled().get(PacketHeader::LEN..header.total().min(need)).unwrap_or_default();
            match head.split_first() {
                // The rest of an event that spans several packets.
                _ if goes_on => {}
                Some((0, event)) => {
                    let whole = header.total() - PacketHeader::LEN - 1;
                    let without = event.get(..whole.saturating_sub(checksum)).unwrap_or(event);
                    match BinlogEvent::parse(without)? {
                        BinlogEvent::Format { .. } => {
                            let BinlogEvent::Format { checksum: Some(bytes) } = BinlogEvent::parse(event)?
                            else {
                                return Ok(false);
                            };
                            checksum = bytes;
                        }
                        event => each(event),
                    }
                }
                Some((0xff, _)) => {
                    self.fill(&mut buf, header.total()).await?;
                    let packet = buf.filled().get(PacketHeader::LEN..header.total()).unwrap_or_default();
                    return Err(ServerError::from(&ErrPacket::parse(packet)?).into());
                }
                _ => return Ok(true),
            }
            goes_on = header.total() == PacketHeader::LEN + MAX_PAYLOAD;
            if all > most {
                return Ok(false);
            }
            let mut left = header.total();
            loop {
                let here = left.min(buf.len());
                buf.consume(here);
                left -= here;
                if left == 0 {
                    break;
                }
                self.fill(&mut buf, 1).await?;
            }
        }
    }

    /// Reads until `buf` holds this many bytes.
    async fn fill(&mut self, buf: &mut Buf, bytes: usize) -> Result<(), QueryError> {
        while buf.len() < bytes {
            buf.make_room((bytes - buf.len()).max(1));
            if self.stream.read(buf).await? == 0 {
                return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
            }
        }
        Ok(())
    }
}
