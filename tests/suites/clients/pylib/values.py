"""The rows of shared/types_insert.sql as Python values."""

import datetime
import decimal
import json

from suite import eq

ALL_BYTES = bytes(range(256))
EXPECTED = [
    (1, 127, 255, 32767, 8388607, 2147483647, 4294967295, 9223372036854775807, 18446744073709551615, 1.5, 1.25e100,
     decimal.Decimal("12345678901234567890.0123456789"), "héllo €", "abc", "long" * 1000, ALL_BYTES, b"\x00\x01\xfe\xff",
     datetime.date(2024, 2, 29), datetime.datetime(2024, 12, 31, 23, 59, 59, 123456), datetime.datetime(2024, 6, 15, 12, 34, 56),
     datetime.timedelta(hours=12, minutes=34, seconds=56, microseconds=500000), 2024, "b", "x,z", {"a": [1, None]}),
    (2, -128, 0, -32768, -8388608, -2147483648, 0, -9223372036854775808, 0, -1.5, -2.5e-10, decimal.Decimal("-0.0000000001"),
     "", "", "", b"", b"\0\0\0\0", datetime.date(1000, 1, 1), datetime.datetime(1000, 1, 1), datetime.datetime(2000, 1, 1),
     -datetime.timedelta(hours=123, minutes=4, seconds=5, microseconds=678901), 1901, "a", "", []),
    (3,) + (None,) * 24,
]
NAMES = "id ti tu si mi i iu bi bu f d de vc ch tx bl bn dt dtm ts tm yr en st js".split()


def check_rows(rows):
    """Rows as a driver gave them, in the order of their id; the JSON column may be text or a value."""
    eq("rows", 3, len(rows))
    for want, row in zip(EXPECTED, rows):
        row = list(row)
        if isinstance(row[-1], (str, bytes)):
            row[-1] = json.loads(row[-1])
        for name, expected, got in zip(NAMES, want, row):
            eq(f"row {want[0]} column {name}", expected, got)
