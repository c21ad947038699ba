//! What a session does next. A step sends one or a few commands, says what each must answer, and keeps the model.

mod bytes;
mod cursors;
mod events;
mod hidden;
mod locks;
mod named;
mod prepared;
mod rows;
mod settings;
mod transactions;
mod trouble;
mod variables;

use super::session::{Session, Step, Stop, cell};
use super::shared::Plan;
use crate::model::plan::Random;

/// Features and how often each comes, relative to the others.
pub const FEATURES: [(&str, u32); 32] = [
    ("rows", 200),
    ("transaction", 110),
    ("variables", 100),
    ("unscoped", 10),
    ("checks", 10),
    ("readonly", 15),
    ("effects", 100),
    ("charset", 50),
    ("uservars", 110),
    ("hidden", 60),
    ("events", 8),
    ("prepared", 200),
    ("cursor", 30),
    ("longdata", 20),
    ("named", 60),
    ("temporary", 40),
    ("tablelock", 10),
    ("getlock", 25),
    ("insertid", 60),
    ("foundrows", 15),
    ("rowcount", 15),
    ("diagnostics", 40),
    ("schema", 60),
    ("errors", 50),
    ("whoami", 20),
    ("pipeline", 15),
    ("several", 20),
    ("big", 2),
    ("reset", 3),
    ("changeuser", 3),
    ("kill", 2),
    ("disconnect", 5),
];

/// What can be done while tables are locked; the rest becomes a step with the lock.
const WITHOUT_TABLES: [&str; 14] = [
    "changeuser",
    "checks",
    "unscoped",
    "variables",
    "effects",
    "charset",
    "uservars",
    "named",
    "errors",
    "whoami",
    "pipeline",
    "reset",
    "kill",
    "disconnect",
];

/// Steps after which a session gives back the right to be pinned.
const LONGEST_HOLD: u32 = 30;

fn mixed(plan: &Plan, session: u32, step: u64) -> Random {
    let mut random = Random(plan.seed ^ u64::from(session).wrapping_mul(0x9e6c_63d0_876a_9a69));
    let start = random.draw() ^ step.wrapping_mul(0xd6e8_feb8_6659_fd93);
    Random(start)
}

/// One step of the plan, and what follows from it.
pub async fn step(session: &mut Session, number: u64) -> Step {
    session.random = mixed(&session.shared.plan, session.number, number);
    session.shared.peer(session.number, |peer| peer.steps = number);
    let mut done = one(session).await;
    if let Err(Stop::Fail(what)) = &done
        && session.killed_meanwhile(what)
    {
        done = Err(Stop::Lost);
    }
    match done {
        Err(Stop::Lost) => {
            session.feature = "login";
            session.renew().await
        }
        done => done,
    }
}

async fn one(session: &mut Session) -> Step {
    session.look_after_orphans().await?;
    if session.survivor() && session.below(8) == 0 {
        return trouble::leave(session).await;
    }
    if session.permit && session.held_for > LONGEST_HOLD {
        release(session).await?;
    } else {
        let weights = session.shared.settings.weights.clone();
        let total: u32 = weights.iter().map(|(_, weight)| weight).sum();
        let mut at = session.below(total as usize) as u32;
        let chosen = weights.iter().find(|(_, weight)| {
            let here = at < *weight;
            at = at.saturating_sub(*weight);
            here
        });
        session.feature = chosen.map_or("whoami", |(name, _)| *name);
        feature(session).await?;
    }
    session.held_for += 1;
    if session.unread && !session.model.pinned() {
        // A proxy may hold the connection for who asks for warnings; this says that nobody does.
        let tag = session.tag();
        session.rows(&format!("SELECT '{tag}'"), vec![vec![cell(tag.as_str())]]).await?;
    }
    if session.permit && !session.model.pinned() {
        session.let_go();
    }
    Ok(())
}

async fn feature(session: &mut Session) -> Step {
    let name = session.feature;
    if session.model.table_lock.is_some() && !WITHOUT_TABLES.contains(&name) {
        session.feature = "tablelock";
    }
    match session.feature {
        "rows" => rows::rows(session).await,
        "insertid" => rows::insert_id(session).await,
        "foundrows" => rows::found_rows(session).await,
        "rowcount" => rows::row_count(session).await,
        "several" => rows::several(session).await,
        "transaction" => transactions::transaction(session).await,
        "temporary" => locks::temporary(session).await,
        "tablelock" => locks::table_lock(session).await,
        "getlock" => locks::named_lock(session).await,
        "variables" => settings::variables(session).await,
        "checks" => settings::checks(session).await,
        "readonly" => transactions::read_only(session).await,
        "unscoped" => settings::unscoped(session).await,
        "effects" => settings::effects(session).await,
        "charset" => settings::charset(session).await,
        "events" => events::events(session).await,
        "hidden" => hidden::hidden(session).await,
        "uservars" => variables::user_variables(session).await,
        "schema" => variables::schema(session).await,
        "whoami" => variables::who_am_i(session).await,
        "changeuser" => variables::change_user(session).await,
        "reset" => variables::reset(session).await,
        "prepared" => prepared::prepared(session).await,
        "cursor" => cursors::cursor(session).await,
        "longdata" => cursors::long_data(session).await,
        "named" => named::named(session).await,
        "diagnostics" => trouble::diagnostics(session).await,
        "errors" => trouble::errors(session).await,
        "kill" => trouble::kill(session).await,
        "disconnect" => trouble::disconnect(session).await,
        "big" => trouble::big(session).await,
        _ => trouble::pipeline(session).await,
    }
}

/// Ends everything that pins the session.
async fn release(session: &mut Session) -> Step {
    session.feature = "release";
    if session.model.table_lock.is_some() {
        locks::unlock(session).await?;
    }
    transactions::end(session).await?;
    transactions::read_write(session).await?;
    locks::drop_temporary(session).await?;
    locks::release_all(session).await?;
    if session.model.opaque {
        return variables::reset(session).await;
    }
    variables::overwrite_expressions(session).await?;
    cursors::reset_all(session).await
}
