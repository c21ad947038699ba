//! Writes inputs for a fuzz target, the same ones each time: short random bytes, and what is in its corpus with random
//! changes. Plain rustc builds it. usage: inputs CORPUS OUT COUNT
//!
//! libFuzzer follows coverage, which differs from run to run (hash seeds, addresses), even from one seed.

use std::path::Path;
use std::{env, fs, io};

/// SplitMix64, from a fixed start.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In 0..n.
    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most + 1)).map(|_| self.next() as u8).collect()
    }
}

fn corpus(dir: &Path) -> io::Result<Vec<Vec<u8>>> {
    let mut paths: Vec<_> = fs::read_dir(dir)?.map(|entry| entry.map(|e| e.path())).collect::<Result<_, _>>()?;
    paths.sort();
    paths.iter().map(fs::read).collect()
}

fn changed(random: &mut Random, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut input = corpus[random.below(corpus.len())].clone();
    for _ in 0..=random.below(6) {
        let at = random.below(input.len() + 1);
        match random.below(6) {
            0 if at < input.len() => input[at] ^= 1 << random.below(8),
            1 if at < input.len() => input[at] = random.next() as u8,
            2 if at < input.len() => drop(input.remove(at)),
            3 => input.insert(at, random.next() as u8),
            4 => {
                let end = (at + random.below(8)).min(input.len());
                let piece = input[at..end].to_vec();
                let to = random.below(input.len() + 1);
                input.splice(to..to, piece);
            }
            _ => {
                let other = &corpus[random.below(corpus.len())];
                let from = random.below(other.len() + 1);
                input.splice(at.., other[from..].iter().copied());
            }
        }
    }
    input
}

fn main() -> io::Result<()> {
    let [dir, out, count] = &env::args().skip(1).collect::<Vec<_>>()[..] else {
        return Err(io::Error::other("usage: inputs CORPUS OUT COUNT"));
    };
    let count: usize = count.parse().map_err(io::Error::other)?;
    let corpus = corpus(Path::new(dir))?;
    let mut random = Random(1);
    fs::create_dir_all(out)?;
    for (n, input) in corpus.iter().enumerate() {
        fs::write(Path::new(out).join(format!("corpus-{n}")), input)?;
    }
    for n in 0..count {
        let input = if n % 2 == 0 || corpus.is_empty() { random.bytes(48) } else { changed(&mut random, &corpus) };
        fs::write(Path::new(out).join(format!("{n}")), input)?;
    }
    Ok(())
}
