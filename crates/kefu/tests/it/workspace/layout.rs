//! Files: names, sizes, and the two sets of migrations.

use std::fs;
use std::path::{Path, PathBuf};

use super::metadata::metadata;
use super::{check, names, read};

/// A file is one noun, one endpoint or one job.
const FILE_LINES_MAX: usize = 400;

/// A `main` only wires.
const MAIN_LINES_MAX: usize = 29;

#[test]
fn every_crate_is_named_like_its_folder() {
    let crates = metadata().workspace_root.join("crates");
    let broken: Vec<String> = metadata()
        .members()
        .filter(|package| package.manifest_path != crates.join(&package.name).join("Cargo.toml"))
        .map(|package| format!("{} is in {}", package.name, package.manifest_path.display()))
        .collect();
    check("folder name = crate name, in crates/", &broken);
}

#[test]
fn files_are_short_and_mains_only_wire() {
    let mut broken = Vec::new();
    for file in sources() {
        let lines = read(&file).lines().count();
        let is_main = file.ends_with("src/main.rs");
        let lines_max = if is_main { MAIN_LINES_MAX } else { FILE_LINES_MAX };
        if lines > lines_max {
            broken.push(format!(
                "{} has {lines} lines, at most {lines_max}",
                file.display()
            ));
        }
    }
    check("files are short", &broken);
}

#[test]
fn modules_are_files_beside_their_folders() {
    let broken: Vec<String> = sources()
        .iter()
        .filter(|file| file.ends_with("mod.rs"))
        .map(|file| format!("{}: name it like its folder, beside it", file.display()))
        .collect();
    check("foo.rs and foo/, no mod.rs", &broken);
}

#[test]
fn every_crate_has_one_integration_binary() {
    let mut broken = Vec::new();
    for package in metadata().members() {
        let tests = package.manifest_path.with_file_name("tests");
        if !tests.exists() {
            continue;
        }
        let binaries = names(&tests).into_iter().filter(|name| name.ends_with(".rs"));
        broken.extend(binaries.map(|name| format!("{}: move tests/{name} into tests/it", package.name)));
    }
    check("one integration binary a crate: tests/it/main.rs", &broken);
}

#[test]
fn both_databases_have_the_same_migrations_without_gaps() {
    let migrations = metadata().workspace_root.join("migrations");
    let postgres = names(&migrations.join("postgres"));
    let sqlite = names(&migrations.join("sqlite"));
    assert_eq!(
        postgres, sqlite,
        "migrations/postgres and migrations/sqlite hold different files"
    );
    assert!(!postgres.is_empty(), "there are no migrations");
    let mut broken = Vec::new();
    for (name, expected) in postgres.iter().zip(1..) {
        let number = name
            .split_once('_')
            .filter(|_| name.ends_with(".sql"))
            .map(|(number, _)| number);
        if number.and_then(|number| number.parse().ok()) != Some(expected) {
            broken.push(format!("{name} should be number {expected}, like 0001_name.sql"));
        }
    }
    check("migrations are numbered one by one", &broken);
}

/// Every job of a worker needs these.
const HOT_TABLES: [&str; 4] = ["account", "conversation", "message", "outbox"];

/// The last one from before the rule: what is installed cannot be cut any more.
const LAST_OF_SEVERAL: &str = "0006_handover.sql";

/// A migration is one transaction: one that changes two of them holds the first while it waits for the second.
#[test]
fn a_migration_changes_one_hot_table() {
    let migrations = metadata().workspace_root.join("migrations");
    let mut broken = Vec::new();
    for engine in ["postgres", "sqlite"] {
        let folder = migrations.join(engine);
        for name in names(&folder)
            .into_iter()
            .filter(|name| LAST_OF_SEVERAL < name.as_str())
        {
            let changed = hot_tables(&read(&folder.join(&name)));
            if 1 < changed.len() {
                broken.push(format!(
                    "{engine}/{name} changes {}: a file each",
                    changed.join(" and ")
                ));
            }
        }
    }
    check("one hot table a migration", &broken);
}

#[test]
fn changes_of_hot_tables_are_found() {
    let older = read(
        &metadata()
            .workspace_root
            .join("migrations/postgres")
            .join(LAST_OF_SEVERAL),
    );
    assert_eq!(hot_tables(&older), ["conversation", "message"]);
    let both = "-- outbox\nCREATE INDEX a ON outbox\n (msgid);\nDROP TABLE account;\nCREATE TABLE message_old (account TEXT);";
    assert_eq!(hot_tables(both), ["account", "outbox"]);
}

/// Which of them a migration alters, drops or gives an index.
fn hot_tables(sql: &str) -> Vec<&'static str> {
    let lines = sql
        .lines()
        .map(|line| line.split_once("--").map_or(line, |(code, _)| code));
    let sql = lines.collect::<Vec<_>>().join(" ");
    let changes = |table: &str| {
        sql.split(';').any(|statement| {
            let words: Vec<&str> = statement
                .split(|c: char| c.is_whitespace() || c == '(')
                .filter(|word| !word.is_empty())
                .collect();
            let named_after = |place: &str| words.windows(2).any(|pair| pair[0] == place && pair[1] == table);
            match words.first() {
                Some(&("ALTER" | "DROP")) => named_after("TABLE"),
                Some(&"CREATE") => named_after("ON"),
                Some(&"UPDATE") => named_after("UPDATE"),
                _ => false,
            }
        })
    };
    HOT_TABLES.into_iter().filter(|table| changes(table)).collect()
}

/// All Rust files of our crates.
pub(super) fn sources() -> Vec<PathBuf> {
    let mut files = Vec::new();
    collect(&metadata().workspace_root.join("crates"), &mut files);
    assert!(!files.is_empty(), "no Rust file found");
    files
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            // A crate that was built on its own may have a target folder of its own.
            if !path.ends_with("target") {
                collect(&path, files);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}
