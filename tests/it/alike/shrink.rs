//! Plays a case on all sides, and makes a case that differs small.

use super::world::{Case, Side};
use std::fmt;

/// Sessions that are played to make a finding small: without steps, and without words of steps.
const PATIENCE: usize = 120;
/// How often a session is played until it is believed to differ no more: what others take away from it is up to chance.
const TRIES: usize = 3;

/// What a session gets where others take its connections, or where the primary moves (docs/failover.md).
const KNOWN_LIMITS: [&str; 8] = [
    "pointsman: what the last statement did is not known any more",
    "pointsman: no server connection became free within",
    "the session held user variables",
    "the session held temporary tables",
    "the session held the characteristics of its next transaction",
    "the session held a variable that cannot be set elsewhere",
    "the session held parameters sent in advance",
    "the server was lost or demoted and the transaction rolled back",
];

/// What a server may refuse as read-only after it has done something (see `StatementFacts::runs_in_steps`), with texts of several
/// statements.
const IN_STEPS: [&str; 7] = ["CALL", "TRUNCATE", "CREATE", "DROP", "ALTER", "RENAME", "EXECUTE"];

/// True if this is a step with such an answer.
fn is_known_limit(answered: &str) -> bool {
    let (step, answer) = answered.split_once('\n').unwrap_or((answered, ""));
    let runs_in_steps = IN_STEPS.iter().any(|word| step.starts_with(word)) || step.contains(';');
    (runs_in_steps && answer.contains("read-only option so it cannot"))
        || KNOWN_LIMITS.iter().any(|limit| answer.contains(limit))
}

/// The direct side first, then one or two others.
pub type Sides = Vec<Side>;

/// The first step that was answered otherwise.
#[derive(Debug, Clone)]
pub struct Difference {
    /// Its number, from 1; 0 is the login.
    pub at: usize,
    side: &'static str,
    direct: String,
    through: String,
}

impl Difference {
    /// How many packets are the same in front of the first that differs.
    fn same(&self) -> usize {
        let (direct, through) = (self.direct.split(" | "), self.through.split(" | "));
        direct.zip(through).take_while(|(a, b)| a == b).count()
    }

    /// The first packets that differ: of the direct answer, and of the one through the proxy.
    pub fn shown(&self) -> [String; 2] {
        let same = self.same();
        [&self.direct, &self.through]
            .map(|packets| packets.split(" | ").skip(same).take(2).collect::<Vec<_>>().join(" | "))
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [direct, through] = self.shown();
        writeln!(f, "# packet {}, direct: {direct}\n#   {}: {through}", self.same() + 1, self.side)
    }
}

/// Plays a case on all sides at the same time.
pub async fn difference(sides: &mut Sides, case: &Case) -> Option<Difference> {
    match sides.as_mut_slice() {
        [direct, one, other] => {
            let names = [one.name, other.name];
            let (direct, one, other) = tokio::join!(direct.play(case), one.play(case), other.play(case));
            first_difference(&direct, [(names[0], one), (names[1], other)])
        }
        [direct, one] => difference_of_two(direct, one, case).await,
        _ => panic!("{} sides", sides.len()),
    }
}

async fn difference_of_two(direct: &mut Side, one: &mut Side, case: &Case) -> Option<Difference> {
    let (direct, through) = tokio::join!(direct.play(case), one.play(case));
    first_difference(&direct, [(one.name, through)])
}

/// The same on one of the sides.
async fn difference_of(sides: &mut Sides, side: &'static str, case: &Case) -> Option<Difference> {
    let (direct, others) = sides.split_first_mut().expect("the direct side");
    let other = others.iter_mut().find(|other| other.name == side).expect("a side of this name");
    difference_of_two(direct, other, case).await
}

fn first_difference<const N: usize>(
    direct: &[String],
    through: [(&'static str, Vec<String>); N],
) -> Option<Difference> {
    let all = through.into_iter().filter_map(|(side, through)| {
        let at = direct.iter().zip(&through).position(|(direct, through)| direct != through)?;
        if side != "default" && is_known_limit(&through[at]) {
            return None;
        }
        Some(Difference { at, side, direct: direct[at].clone(), through: through[at].clone() })
    });
    all.min_by_key(|found| found.at)
}

/// A case that differs, while it becomes smaller. Only a difference in the last step counts.
struct Shrinking<'a> {
    sides: &'a mut Sides,
    case: Case,
    found: Difference,
    played: usize,
}

impl Shrinking<'_> {
    /// Goes on with this case if its last step still differs.
    async fn accepts(&mut self, smaller: Case) -> bool {
        let tries = if self.found.side == "default" { 1 } else { TRIES };
        self.played += 1;
        for _ in 0..tries {
            match difference_of(self.sides, self.found.side, &smaller).await {
                Some(found) if found.at == smaller.steps.len() => {
                    (self.case, self.found) = (smaller, found);
                    return true;
                }
                // Another step differs, too: a finding of its own.
                Some(_) => return false,
                None => {}
            }
        }
        false
    }

    /// Drops capabilities, and runs of steps, halves first.
    async fn drop_steps(&mut self) {
        for word in self.case.words.clone() {
            let mut smaller = self.case.clone();
            smaller.words.retain(|other| *other != word);
            self.accepts(smaller).await;
        }
        let mut size = self.case.steps.len() / 2;
        while size > 0 {
            let mut from = 0;
            while from + 1 < self.case.steps.len() && self.played < PATIENCE {
                let mut smaller = self.case.clone();
                let to = (from + size).min(smaller.steps.len() - 1);
                smaller.steps.drain(from..to);
                if !self.accepts(smaller).await {
                    from = to;
                }
            }
            size /= 2;
        }
    }

    /// Drops runs of words of each text.
    async fn drop_words(&mut self) {
        self.played = 0;
        for at in 0..self.case.steps.len() {
            let step = &self.case.steps[at];
            let first = usize::from(step.starts_with("!prepare"));
            // The rest of SHOW may show times.
            if step.starts_with('!') && first == 0 || step.starts_with("SHOW") {
                continue;
            }
            let mut size = self.case.steps[at].split(' ').count() / 2;
            while size > 0 {
                let mut from = first;
                while self.played < PATIENCE {
                    let words: Vec<&str> = self.case.steps[at].split(' ').collect();
                    if from + size > words.len() || words.len() == size {
                        break;
                    }
                    let mut smaller = self.case.clone();
                    smaller.steps[at] = [&words[..from], &words[from + size..]].concat().join(" ");
                    if !self.accepts(smaller).await {
                        from += size;
                    }
                }
                size /= 2;
            }
        }
    }
}

/// Drops steps, then words, as long as the last step differs.
pub async fn shrink(sides: &mut Sides, mut case: Case, found: Difference) -> (Case, Difference) {
    case.steps.truncate(found.at);
    let mut shrinking = Shrinking { sides, case, found, played: 0 };
    shrinking.drop_steps().await;
    shrinking.drop_words().await;
    (shrinking.case, shrinking.found)
}
