//! What a statement's text says about the session it is executed in.

/// Functions that change the session, in lower case.
const FUNCTIONS: &[&str] = &["advisory_lock", "set_config", "setseed", "dblink_connect", " temp"];

/// Whether the session may differ from a new one after these statements.
///
/// It errs on the side of yes: that costs a round trip when the connection comes back to its pool. What functions of the
/// database do inside is not seen.
pub(in crate::postgres) fn touches(sql: &str) -> bool {
    let lower = sql.to_ascii_lowercase();
    // A semicolon within a string makes a piece that begins with anything, which is a yes.
    lower.split(';').any(|piece| {
        let piece = skip_blank(piece);
        match first_word(piece) {
            "" => !piece.is_empty(),
            "select" | "insert" | "update" | "delete" | "merge" | "with" | "values" | "table" | "show"
            | "explain" | "create" | "alter" | "drop" | "truncate" | "comment" | "grant" | "revoke"
            | "analyze" | "vacuum" | "reindex" | "refresh" | "lock" | "copy" | "notify" => {
                FUNCTIONS.iter().any(|name| piece.contains(name))
            }
            "begin" | "start" | "commit" | "end" | "rollback" | "abort" | "savepoint" | "release" => false,
            "set" => !matches!(
                first_word(skip_blank(&piece["set".len()..])),
                "local" | "transaction" | "constraints"
            ),
            _ => true,
        }
    })
}

/// Whether the session may have none of its prepared statements afterwards.
pub(in crate::postgres) fn forgets(sql: &str) -> bool {
    let lower = sql.to_ascii_lowercase();
    lower.contains("deallocate") || (lower.contains("discard") && lower.contains("all"))
}

/// Why a statement cannot go out on a connection that others use at the same time, if it cannot.
pub(in crate::postgres) fn refusal(sql: &str) -> Option<&'static str> {
    let sql = skip_blank(sql);
    // Nearly all statements are told by their first letters.
    match sql.as_bytes().first()?.to_ascii_lowercase() {
        b'i' | b'u' | b'w' | b'm' | b'v' | b't' => return word_is(sql, "unlisten").then_some(SESSION),
        b's' if word_is(sql, "select") => return None,
        _ => {}
    }
    let is = |words: &[&str]| words.iter().any(|word| word_is(sql, word));
    if is(&["begin", "start", "commit", "end", "rollback", "abort", "savepoint", "release", "lock"]) {
        return Some(TRANSACTION);
    }
    let session = [
        "set",
        "reset",
        "listen",
        "prepare",
        "deallocate",
        "declare",
        "fetch",
        "move",
        "close",
        "discard",
        "load",
    ];
    is(&session).then_some(SESSION)
}

const TRANSACTION: &str = "BEGIN, COMMIT and the like belong to a transaction: take Postgres::begin";

const SESSION: &str = "this changes a session that others share: take a connection with Postgres::checkout";

fn word_is(sql: &str, word: &str) -> bool {
    let length = word.len();
    sql.get(..length).is_some_and(|start| start.eq_ignore_ascii_case(word))
        && !sql.as_bytes().get(length).is_some_and(|&byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn first_word(sql: &str) -> &str {
    let end = sql.find(|letter: char| !letter.is_ascii_alphabetic() && letter != '_').unwrap_or(sql.len());
    &sql[..end]
}

/// Without the blanks, brackets and comments that it begins with.
fn skip_blank(mut sql: &str) -> &str {
    loop {
        sql = sql.trim_start_matches(|letter: char| letter.is_whitespace() || letter == '(');
        if let Some(comment) = sql.strip_prefix("--") {
            sql = comment.split_once('\n').map_or("", |(_, rest)| rest);
        } else if sql.starts_with("/*") {
            sql = after_comment(sql);
        } else {
            return sql;
        }
    }
}

/// What follows a comment, within which there may be others.
fn after_comment(sql: &str) -> &str {
    let (mut depth, mut at) = (0usize, 0);
    let bytes = sql.as_bytes();
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" => {
                (depth, at) = (depth - 1, at + 2);
                if depth == 0 {
                    return &sql[at..];
                }
            }
            _ => at += 1,
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_something_in_the_session_is_noticed() {
        for (why, sql, want) in [
            ("reads", "SELECT 1", false),
            ("writes", "UPDATE world SET randomnumber = $1 WHERE id = $2", false),
            ("nothing", " ; ", false),
            ("a transaction", "BEGIN; COMMIT", false),
            ("a setting", "SET search_path = x", true),
            ("a setting of the transaction", "set local search_path = x", false),
            ("a level", "SET TRANSACTION READ ONLY", false),
            ("a setting by function", "SELECT set_config('a', 'b', false)", true),
            ("a lock of the session", "SELECT pg_try_advisory_lock(1)", true),
            ("a lock of the transaction", "SELECT pg_advisory_xact_lock(1)", false),
            ("a temporary table", "CREATE TEMP TABLE t ()", true),
            ("a table", "CREATE TABLE t ()", false),
            ("behind a comment", "/* a /* b */ */ -- c\n LISTEN x", true),
            ("the second one", "SELECT 1; LISTEN x", true),
            ("anything may be in it", "DO $$ BEGIN PERFORM 1; END $$", true),
            ("an open comment", "/* SELECT", false),
        ] {
            assert_eq!(touches(sql), want, "{why}: {sql}");
        }
    }

    #[test]
    fn what_others_would_suffer_from_is_refused_on_a_shared_connection() {
        for (why, sql, refused) in [
            ("reads", "select 1", false),
            ("reads in brackets", "(SELECT 1)", false),
            ("writes", "UPDATE t SET a = 1", false),
            ("begins with other letters", "WITH x AS (SELECT 1) SELECT * FROM x", false),
            ("a word that begins like another", "settle", false),
            ("a transaction", "BEGIN", true),
            ("behind blanks and a comment", " \n-- x\n  start transaction", true),
            ("a setting", "SET a = 1", true),
            ("notifications", "LISTEN a", true),
            ("no notifications", "UNLISTEN *", true),
            ("a cursor", "DECLARE c CURSOR FOR SELECT 1", true),
            ("nothing", "", false),
        ] {
            assert_eq!(refusal(sql).is_some(), refused, "{why}: {sql}");
        }
    }
}
