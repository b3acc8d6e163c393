//! The two schemas move together.

/// What is wrong with two folders of migrations.
fn complaints(sqlite: &[String], postgres: &[String]) -> Vec<String> {
    let mut complaints = Vec::new();
    if sqlite != postgres {
        complaints.push(format!("the migrations differ: sqlite {sqlite:?}, postgres {postgres:?}"));
    }
    if sqlite.is_empty() {
        complaints.push("there are no migrations".to_owned());
    }
    for (name, number) in sqlite.iter().zip(1..) {
        if !name.starts_with(&format!("{number:04}_")) || !name.ends_with(".sql") {
            complaints.push(format!("{name} is not {number:04}_name.sql"));
        }
    }
    complaints
}

mod tests {
    use super::complaints;
    use crate::expect_none;
    use crate::workspace::names;

    #[test]
    fn both_stores_have_the_same_migrations() {
        expect_none(complaints(&names("migrations/sqlite"), &names("migrations/postgres")));
    }

    #[test]
    fn a_missing_or_misnamed_migration_is_seen() {
        let list = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let first = list(&["0001_base.sql"]);
        assert!(complaints(&first, &first).is_empty());
        assert_eq!(complaints(&first, &[]).len(), 1);
        assert_eq!(complaints(&[], &[]).len(), 1);
        assert_eq!(complaints(&list(&["1_base.sql"]), &list(&["1_base.sql"])).len(), 1);
        let gap = list(&["0001_base.sql", "0003_more.sql"]);
        assert_eq!(complaints(&gap, &gap), ["0003_more.sql is not 0002_name.sql"]);
    }
}
