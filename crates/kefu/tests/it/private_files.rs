//! What Kefu keeps on a disk is for its own user alone, whatever the shell it was started from allows.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::official::{OPENING, RECEIVE_ID};
use crate::refusals::check_refusal;
use crate::stage::{Call, Services, Simulator, app, both_roles_of, eventually, kefu, kefu_for_all};

/// Everything below a folder, folders too.
fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(below(&path));
        }
        found.push(path);
    }
    found
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn open_up(path: &Path, bits: u32) {
    fs::set_permissions(path, Permissions::from_mode(bits)).unwrap();
}

/// All of them, at least those whose names end so.
#[track_caller]
fn check(folder: &Path, endings: &[&str]) {
    let found = below(folder);
    for path in &found {
        let expected = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(path), expected, "{}", path.display());
    }
    for ending in endings {
        let is_there = found.iter().any(|path| path.to_str().unwrap().ends_with(ending));
        assert!(is_there, "{ending}: {found:?}");
    }
}

#[tokio::test]
async fn both_roles_make_files_that_nobody_else_may_read() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = Simulator::start().await;
    let call = || kefu_for_all(&["run"]);
    let kefu = both_roles_of(call(), folder.path(), &simulator, &[]).await;
    simulator.says("wang", json!({ "text": "hi" })).await;
    simulator.answers("wang", 1).await;
    let made = [
        "kefu-data",
        "queue.db",
        "queue.db-wal",
        "queue.db.lock",
        "kefu.db",
        "kefu.db-wal",
        "kefu.db-shm",
    ];
    check(folder.path(), &made);
    kefu.running.kill().await;

    // What a version before left after a crash.
    let left = below(folder.path());
    let files: Vec<&PathBuf> = left.iter().filter(|path| path.is_file()).collect();
    assert!(files.iter().any(|path| path.ends_with("kefu.db-wal")), "{left:?}");
    files.iter().for_each(|path| open_up(path, 0o644));
    let again = both_roles_of(call(), folder.path(), &simulator, &[]).await;
    eventually("the database is open", async || {
        let (status, _) = again.get("/health/ready").await?;
        (status == 200).then_some(())
    })
    .await;
    check(folder.path(), &made);
    again.running.terminate().await;
    again.running.ended().await.check_code(0);
}

#[tokio::test]
async fn each_role_and_command_does() {
    let services = Services::own().await;
    let folder = tempfile::tempdir().unwrap();
    let role = |name: &str| {
        kefu_for_all(&["run", name])
            .within(folder.path())
            .set_all(&app())
            .set_all(&services.settings())
            .set("KEFU_INGRESS__LISTEN", "127.0.0.1:0")
            .set("KEFU_WORKER__LISTEN", "127.0.0.1:0")
    };
    let ingress = role("ingress").start().await;
    ingress.says("ingress takes callbacks").await;
    check(folder.path(), &["kefu-data/spool", ".spool.db", ".spool.db.lock"]);
    drop(ingress);
    let single = role("worker")
        .set("DATABASE_URL", "sqlite:single/kefu.db")
        .set("KEFU_WORKER__SINGLE", "true");
    let worker = single.start().await;
    worker.says("worker takes jobs").await;
    check(folder.path(), &["single/kefu.db", "single/kefu.db.worker.lock"]);
    drop(worker);
    services.remove().await;

    let command = |arguments: &[&str]| kefu_for_all(arguments).within(folder.path());
    for arguments in [&["migrate"][..], &["events", "list"], &["settings", "--check"]] {
        let call = command(arguments).set_all(&app()).set("KEFU_LOG__LEVEL", "warn");
        call.end().await.check_code(0);
    }
    let sealed = [&["callback", "seal"], &OPENING[..], &RECEIVE_ID[..]].concat();
    command(&sealed).input("x").end().await.check_code(0);
    check(folder.path(), &["kefu-data/kefu.db"]);
}

#[tokio::test]
async fn a_spool_folder_that_everybody_may_write_to_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let spool = folder.path().join("spool");
    fs::create_dir(&spool).unwrap();
    open_up(&spool, 0o1777);
    let call = |arguments: &[&str]| -> Call {
        kefu(arguments)
            .set_all(&app())
            .set("AMQP_URL", "amqp://127.0.0.1:1/")
            .set("KEFU_INGRESS__LISTEN", "127.0.0.1:0")
            .set("KEFU_QUEUE__SPOOL", spool.to_str().unwrap())
    };
    let expected = format!(
        "queue.spool: everybody may write to {} (mode 1777)",
        spool.display()
    );
    for arguments in [&["run", "ingress"][..], &["settings", "--check", "ingress"]] {
        let refused = call(arguments).end().await;
        let last = refused.stderr.last().unwrap();
        assert!(last.contains("(set by KEFU_QUEUE__SPOOL)"), "{refused:?}");
        let alone = crate::stage::Ended {
            stderr: vec![last.clone()],
            ..refused
        };
        check_refusal(&alone, &expected);
    }
    open_up(&spool, 0o775);
    call(&["settings", "--check", "ingress"])
        .end()
        .await
        .check_code(0);
}
