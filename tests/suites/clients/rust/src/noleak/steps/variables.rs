//! User variables, the schema, who one is, and starting over on the same connection.

use super::super::answer::{Part, Shape};
use super::super::session::{Session, Step, cell, expect_error, expect_ok, fail};
use super::super::state::SCHEMAS;
use super::settings;

pub async fn user_variables(session: &mut Session) -> Step {
    let at = session.below(4);
    let tag = session.tag();
    match session.below(12) {
        0..3 => {
            session.ok(&format!("SET @u{at} = '{tag}'")).await?;
            session.model.uservars[at] = (Some(tag), false);
        }
        3 => {
            let next = (at + 1) % 4;
            session.ok(&format!("SET @u{at} = '{tag}', @u{next} := \t'{tag}+'")).await?;
            session.model.uservars[next] = (Some(format!("{tag}+")), false);
            session.model.uservars[at] = (Some(tag), false);
        }
        4 => {
            session.ok(&format!("SET @u{at} = NULL")).await?;
            session.model.uservars[at] = (None, false);
        }
        5..7 => {
            if !session.pin() {
                return Ok(());
            }
            by_expression(session, at, tag).await?;
        }
        7 => {
            let (value, _) = &session.model.uservars[at];
            let want = value.as_ref().map(|value| format!("{value}!"));
            session
                .rows(&format!("SELECT CONCAT(@u{at}, '!')"), vec![vec![want.map(String::into_bytes)]])
                .await?;
        }
        _ => {
            let want = session.model.uservars.iter().map(|(value, _)| value.clone().map(String::into_bytes));
            let want = want.collect();
            session.rows("SELECT @u0, @u1, @U2, @`u3`", vec![want]).await?;
        }
    }
    Ok(())
}

async fn by_expression(session: &mut Session, at: usize, tag: String) -> Step {
    let choices = if session.shared.baseline.hidden && !session.model.writes_refused() { 5 } else { 4 };
    let value = match session.below(choices) {
        4 => {
            session.ok(&format!("CALL test.nlh_own_{at}('{tag}')")).await?;
            session.model.opaque = true;
            tag
        }
        0 => {
            session.ok(&format!("SET @u{at} = CONCAT('{tag}', '.', 6 * 7)")).await?;
            format!("{tag}.42")
        }
        1 => {
            session.rows(&format!("SELECT @u{at} := '{tag}'"), vec![vec![cell(tag.as_str())]]).await?;
            tag
        }
        2 => {
            session.ok(&format!("SELECT '{tag}' INTO @u{at}")).await?;
            tag
        }
        _ => {
            let other = (at + 1) % 4;
            session.ok(&format!("SET @u{at} = COALESCE(@u{other}, '{tag}')")).await?;
            session.model.uservars[other].0.clone().unwrap_or(tag)
        }
    };
    session.model.uservars[at] = (Some(value), true);
    Ok(())
}

/// Literal values where expressions had given them.
pub async fn overwrite_expressions(session: &mut Session) -> Step {
    for at in 0..4 {
        if session.model.uservars[at].1 {
            let tag = session.tag();
            session.ok(&format!("SET @u{at} = '{tag}'")).await?;
            session.model.uservars[at] = (Some(tag), false);
        }
    }
    Ok(())
}

pub async fn schema(session: &mut Session) -> Step {
    let to = session.below(2);
    match session.below(8) {
        0 => {
            session.ok(&format!("USE {}", SCHEMAS[to])).await?;
            session.model.schema = to;
        }
        1 => {
            let label = format!("COM_INIT_DB {}", SCHEMAS[to]);
            let answer =
                session.run(&label, &[b"\x02", SCHEMAS[to].as_bytes()].concat(), Shape::Text).await?;
            expect_ok(&label, &answer)?;
            session.model.schema = to;
        }
        2 => {
            // 1044: no right to know whether there is one
            let name = format!("nl_{}", session.tag().replace('.', "_"));
            let answer = if session.below(2) == 0 {
                session.text(&format!("USE {name}")).await?
            } else {
                session
                    .run(&format!("COM_INIT_DB {name}"), &[b"\x02", name.as_bytes()].concat(), Shape::Text)
                    .await?
            };
            return expect_error(&format!("USE {name}"), &answer, &[1044, 1049], &name);
        }
        3 => {
            let want = vec![vec![cell(SCHEMAS[session.model.schema])]];
            session.rows(["SELECT DATABASE()", "SELECT SCHEMA()"][to], want).await?;
        }
        _ => {
            let want = vec![vec![cell(settings::schema(session))]];
            session.rows("SELECT name FROM nl_where", want).await?;
        }
    }
    Ok(())
}

pub async fn who_am_i(session: &mut Session) -> Step {
    let tag = session.tag();
    let sql = format!("SELECT CURRENT_USER(), USER(), 1 AS `{tag}`");
    let answer = session.text(&sql).await?;
    let account = format!("{}@", session.shared.settings.accounts[session.model.account].0);
    let mine = |value: &Option<Vec<u8>>| value.as_ref().is_some_and(|v| v.starts_with(account.as_bytes()));
    match answer.parts.as_slice() {
        [Part::Set(set)]
            if set.names.get(2) == Some(&tag) && set.rows.iter().all(|r| mine(&r[0]) && mine(&r[1])) =>
        {
            Ok(())
        }
        _ => fail(format!("{sql}: expected {account}… and a column {tag}, got {answer}")),
    }
}

pub async fn reset(session: &mut Session) -> Step {
    session.shared.peer(session.number, |peer| peer.locks.clear());
    let baseline = session.shared.baseline.clone();
    let answer = session.run("COM_RESET_CONNECTION", &[0x1f], Shape::Text).await?;
    expect_ok("COM_RESET_CONNECTION", &answer)?;
    session.model.reset(&baseline, None);
    Ok(())
}

pub async fn change_user(session: &mut Session) -> Step {
    session.shared.peer(session.number, |peer| peer.locks.clear());
    let baseline = session.shared.baseline.clone();
    let account = session.below(session.shared.settings.accounts.len());
    let schema = session.below(SCHEMAS.len());
    session.change_user(account, schema).await?;
    session.model.reset(&baseline, Some((account, schema)));
    Ok(())
}
