//! Capability flags: MySQL's 32 bits, and MariaDB's extension in the 32 above.

bitflags::bitflags! {
    /// Source: `mysql_com.h` of both servers; the names are theirs.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct Capabilities: u64 {
        /// MySQL's LONG_PASSWORD. A peer that does not set it has MariaDB's extension.
        const LONG_PASSWORD = 1;
        /// The affected rows of an UPDATE count all rows found, also those that did not change.
        const FOUND_ROWS = 1 << 1;
        /// More flags in column definitions.
        const LONG_FLAG = 1 << 2;
        /// A schema in the handshake response.
        const CONNECT_WITH_DB = 1 << 3;
        /// Names of the form `schema.table.column` are not allowed.
        const NO_SCHEMA = 1 << 4;
        /// zlib compression.
        const COMPRESS = 1 << 5;
        /// ODBC.
        const ODBC = 1 << 6;
        /// LOAD DATA LOCAL.
        const LOCAL_FILES = 1 << 7;
        /// Spaces are allowed between a function's name and `(`.
        const IGNORE_SPACE = 1 << 8;
        /// The 4.1 protocol.
        const PROTOCOL_41 = 1 << 9;
        /// `interactive_timeout` instead of `wait_timeout`.
        const INTERACTIVE = 1 << 10;
        /// TLS.
        const SSL = 1 << 11;
        /// The client ignores SIGPIPE; has no meaning on the wire.
        const IGNORE_SIGPIPE = 1 << 12;
        /// Status flags in EOF packets.
        const TRANSACTIONS = 1 << 13;
        /// Old name for PROTOCOL_41.
        const RESERVED = 1 << 14;
        /// Authentication of 4.1.
        const SECURE_CONNECTION = 1 << 15;
        /// Several statements in a COM_QUERY.
        const MULTI_STATEMENTS = 1 << 16;
        /// Several results of a COM_QUERY.
        const MULTI_RESULTS = 1 << 17;
        /// Several results of a COM_STMT_EXECUTE.
        const PS_MULTI_RESULTS = 1 << 18;
        /// Authentication plugins.
        const PLUGIN_AUTH = 1 << 19;
        /// Connection attributes.
        const CONNECT_ATTRS = 1 << 20;
        /// A length-encoded auth response.
        const PLUGIN_AUTH_LENENC_CLIENT_DATA = 1 << 21;
        /// Expired passwords do not end the login.
        const CAN_HANDLE_EXPIRED_PASSWORDS = 1 << 22;
        /// Session state changes in OK packets.
        const SESSION_TRACK = 1 << 23;
        /// OK packets in place of EOF packets.
        const DEPRECATE_EOF = 1 << 24;
        /// Result sets without metadata.
        const OPTIONAL_RESULTSET_METADATA = 1 << 25;
        /// zstd compression.
        const ZSTD_COMPRESSION_ALGORITHM = 1 << 26;
        /// Attributes in COM_QUERY and COM_STMT_EXECUTE.
        const QUERY_ATTRIBUTES = 1 << 27;
        /// Several authentication factors.
        const MULTI_FACTOR_AUTHENTICATION = 1 << 28;
        /// Progress in ERR packets (MariaDB).
        const PROGRESS = 1 << 29;
        /// The client verifies the server's certificate.
        const SSL_VERIFY_SERVER_CERT = 1 << 30;
        /// Has no meaning on the wire.
        const REMEMBER_OPTIONS = 1 << 31;
        /// Progress reports (MariaDB).
        const MARIADB_PROGRESS = 1 << 32;
        /// COM_STMT_BULK_EXECUTE (MariaDB).
        const MARIADB_STMT_BULK_OPERATIONS = 1 << 34;
        /// Type names in column definitions (MariaDB).
        const MARIADB_EXTENDED_METADATA = 1 << 35;
        /// Metadata once per prepared statement (MariaDB).
        const MARIADB_CACHE_METADATA = 1 << 36;
        /// One result per bulk row (MariaDB).
        const MARIADB_BULK_UNIT_RESULTS = 1 << 37;
        const _ = !0;
    }
}

impl Capabilities {
    /// Flags that this proxy can offer to clients if the servers have them.
    pub const OFFERED: Capabilities = Capabilities::LONG_PASSWORD
        .union(Self::FOUND_ROWS)
        .union(Self::LONG_FLAG)
        .union(Self::CONNECT_WITH_DB)
        .union(Self::NO_SCHEMA)
        .union(Self::ODBC)
        .union(Self::LOCAL_FILES)
        .union(Self::IGNORE_SPACE)
        .union(Self::PROTOCOL_41)
        .union(Self::INTERACTIVE)
        .union(Self::IGNORE_SIGPIPE)
        .union(Self::TRANSACTIONS)
        .union(Self::RESERVED)
        .union(Self::SECURE_CONNECTION)
        .union(Self::MULTI_STATEMENTS)
        .union(Self::MULTI_RESULTS)
        .union(Self::PS_MULTI_RESULTS)
        .union(Self::PLUGIN_AUTH)
        .union(Self::CONNECT_ATTRS)
        .union(Self::PLUGIN_AUTH_LENENC_CLIENT_DATA)
        .union(Self::CAN_HANDLE_EXPIRED_PASSWORDS)
        .union(Self::SESSION_TRACK)
        .union(Self::DEPRECATE_EOF)
        .union(Self::QUERY_ATTRIBUTES)
        .union(Self::MULTI_FACTOR_AUTHENTICATION)
        .union(Self::MARIADB_STMT_BULK_OPERATIONS)
        .union(Self::MARIADB_EXTENDED_METADATA)
        .union(Self::MARIADB_BULK_UNIT_RESULTS);

    /// Flags by which a login sets session variables: `sql_mode` and `wait_timeout`.
    pub const SETS_VARIABLES: Capabilities = Capabilities::IGNORE_SPACE.union(Self::INTERACTIVE);

    /// Flags that change a server's answers. They must be the same on both legs, and are part of the pool's key.
    pub const CLASS: Capabilities = Capabilities::FOUND_ROWS
        .union(Self::NO_SCHEMA)
        .union(Self::ODBC)
        .union(Self::LOCAL_FILES)
        .union(Self::IGNORE_SPACE)
        .union(Self::INTERACTIVE)
        .union(Self::MULTI_STATEMENTS)
        .union(Self::MULTI_RESULTS)
        .union(Self::PS_MULTI_RESULTS)
        .union(Self::QUERY_ATTRIBUTES)
        .union(Self::MARIADB_STMT_BULK_OPERATIONS)
        .union(Self::MARIADB_EXTENDED_METADATA)
        .union(Self::MARIADB_BULK_UNIT_RESULTS);

    /// Flags that the proxy always sets if the server has them, whatever the client asked for.
    pub const ALWAYS: Capabilities = Capabilities::LONG_FLAG
        .union(Self::PROTOCOL_41)
        .union(Self::TRANSACTIONS)
        .union(Self::RESERVED)
        .union(Self::SECURE_CONNECTION)
        .union(Self::PLUGIN_AUTH)
        .union(Self::CONNECT_ATTRS)
        .union(Self::PLUGIN_AUTH_LENENC_CLIENT_DATA)
        .union(Self::SESSION_TRACK)
        .union(Self::DEPRECATE_EOF);

    /// Flags that matter to a login only, which a client that logs in to a server itself gets as it asked for them.
    pub const OF_LOGIN: Capabilities =
        Capabilities::CAN_HANDLE_EXPIRED_PASSWORDS.union(Self::MULTI_FACTOR_AUTHENTICATION);

    /// Flags that compress the connection.
    pub const COMPRESSION: Capabilities = Capabilities::COMPRESS.union(Self::ZSTD_COMPRESSION_ALGORITHM);

    /// True if a greeting with these flags is MariaDB's: it leaves out the flag that MySQL's always has
    /// (`CLIENT_MYSQL`, once CLIENT_LONG_PASSWORD), and has an extension. The version may be any text
    /// (`--version`). Other servers that speak the protocol may lack the flag, too, but have no extension.
    pub const fn are_of_mariadb(self) -> bool {
        !self.contains(Self::LONG_PASSWORD) && self.intersects(Self::MARIADB)
    }

    /// The 32 bits of MariaDB's extension.
    pub const MARIADB: Capabilities = Capabilities::from_bits_retain(0xffff_ffff_0000_0000);

    /// The flags as the four bytes of a handshake packet.
    pub fn low(self) -> [u8; 4] {
        let [a, b, c, d, ..] = self.bits().to_le_bytes();
        [a, b, c, d]
    }

    /// MariaDB's extension as four bytes.
    pub fn high(self) -> [u8; 4] {
        let [.., a, b, c, d] = self.bits().to_le_bytes();
        [a, b, c, d]
    }

    /// Joins MySQL's 32 bits (`low`) and MariaDB's 32 bits (`high`).
    pub fn from_halves(low: u32, high: u32) -> Self {
        Capabilities::from_bits_retain(u64::from(low) | u64::from(high) << 32)
    }
}
