//! A cache of classes by shape. The key is the whole shape, not only its hash, so that texts of
//! different shapes can never be confused, even if a client tries to make their hashes collide.

use super::shape::{MAX_SHAPE, shape};
use super::{Context, Routines, StatementClass, classify};
use crate::digest::Digest;
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;

/// The number of shapes in a cache.
const SHAPES: usize = 4096;
/// The number of slots that a shape may be in. Colliding hashes evict each other, but do not make lookups slower.
const WAYS: usize = 4;

/// The longest text that is classified, in bytes. A longer one would block the other sessions of its worker.
pub const MAX_TEXT: usize = 1 << 20;

struct CachedClass {
    hash: u64,
    shape: Box<[u8]>,
    class: StatementClass,
    /// None if digests are off.
    digest: Option<Rc<Digest>>,
}

/// A bounded cache of the results of [`classify`], for one thread.
pub struct ClassCache {
    entries: Vec<Option<CachedClass>>,
    /// The buffer for shapes, reused for every text.
    shape: Vec<u8>,
    seed: u64,
    version: u64,
    /// Decides which of a shape's slots is replaced next.
    turn: usize,
    /// True if texts get digests, too.
    digests: bool,
}

impl std::fmt::Debug for ClassCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClassCache").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl Default for ClassCache {
    fn default() -> Self {
        Self::new()
    }
}

impl ClassCache {
    /// Makes an empty cache for 4,096 shapes.
    pub fn new() -> Self {
        Self::with_digests(false)
    }

    /// Makes an empty cache that has the digests of texts, too, if `digests` is true.
    pub fn with_digests(digests: bool) -> Self {
        let mut entries = Vec::new();
        entries.resize_with(SHAPES, || None);
        let seed = RandomState::new().hash_one(0u8) | 1;
        Self { entries, shape: Vec::with_capacity(MAX_SHAPE), seed, version: 0, turn: 0, digests }
    }

    /// Returns the number of cached shapes.
    pub fn len(&self) -> usize {
        self.entries.iter().flatten().count()
    }

    /// True if no shape is cached.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns what [`classify`] returns, or [`StatementClass::UNKNOWN`] for a text over 1 MiB.
    pub fn classify<'a>(
        &mut self,
        sql: &[u8],
        context: impl Into<Context<'a>>,
        routines: &dyn Routines,
    ) -> StatementClass {
        self.look_up(sql, context, routines).0
    }

    /// Returns the class of a text, and its digest.
    pub fn look_up<'a>(
        &mut self,
        sql: &[u8],
        context: impl Into<Context<'a>>,
        routines: &dyn Routines,
    ) -> (StatementClass, Option<Rc<Digest>>) {
        let context = context.into();
        if sql.len() > MAX_TEXT {
            return (StatementClass::UNKNOWN, None);
        }
        let digest = |digests: bool| digests.then(|| Rc::new(Digest::of(sql, context.options)));
        let version = routines.version();
        if version != self.version {
            self.entries.iter_mut().for_each(|entry| *entry = None);
            self.version = version;
        }
        if !shape(sql, context, &mut self.shape) {
            return (classify(sql, context, routines), digest(self.digests));
        }
        let hash = hash(&self.shape, self.seed);
        let first = usize::try_from(hash % SHAPES as u64).unwrap_or(0) / WAYS * WAYS;
        let places = self.entries.get_mut(first..first + WAYS).unwrap_or_default();
        let known = places.iter().flatten().find(|entry| entry.hash == hash && *entry.shape == *self.shape);
        if let Some(entry) = known {
            let varies = entry.digest.as_ref().is_some_and(|digest| digest.varies());
            return (entry.class, if varies { digest(true) } else { entry.digest.clone() });
        }
        let (class, digest) = (classify(sql, context, routines), digest(self.digests));
        self.turn = self.turn.wrapping_add(1);
        let free = places.iter().position(Option::is_none).unwrap_or(self.turn % WAYS);
        if let Some(place) = places.get_mut(free) {
            *place = Some(CachedClass {
                hash,
                shape: self.shape.as_slice().into(),
                class,
                digest: digest.clone(),
            });
        }
        (class, digest)
    }
}

/// A quick hash that chooses the slots; the seed keeps clients from aiming at one slot.
fn hash(bytes: &[u8], seed: u64) -> u64 {
    let mix = |state: u64, word: u64| {
        let product = u128::from(state ^ word) * u128::from(0x9e37_79b9_7f4a_7c15_u64 ^ seed);
        // Mixes both halves of the product.
        (product as u64) ^ ((product >> 64) as u64)
    };
    let mut chunks = bytes.chunks_exact(8);
    let mut state = seed ^ bytes.len() as u64;
    for chunk in &mut chunks {
        state = mix(state, u64::from_le_bytes(chunk.try_into().unwrap_or_default()));
    }
    let mut last = [0u8; 8];
    let tail = chunks.remainder();
    if let Some(place) = last.get_mut(..tail.len()) {
        place.copy_from_slice(tail);
    }
    mix(mix(state, u64::from_le_bytes(last)), seed)
}
