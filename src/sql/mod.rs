//! Statement text to class and effects: what it reads, writes, sets, pins.
