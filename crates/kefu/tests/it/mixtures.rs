//! Settings that are right each by itself and wrong together.

use std::fs;

use crate::mistakes::{call, check};

#[tokio::test]
async fn engines_that_cannot_be_right_together_are_refused() {
    let file = [("DATABASE_URL", "sqlite:kefu.db")];
    check(
        "worker",
        &file,
        &["database.url: is a file of one process, while queue.url names a broker"],
    )
    .await;
    let both = call(&["run"], &file).end().await;
    both.check_code(2);
    assert!(both.stderr[0].contains("worker.single = true"), "{both:?}");
    let single = [file[0], ("KEFU_WORKER__SINGLE", "true")];
    call(&["settings", "--check", "worker"], &single)
        .end()
        .await
        .check_code(0);
    check(
        "worker",
        &[
            ("AMQP_URL", "sqlite:queue.db"),
            ("DATABASE_URL", "sqlite:kefu.db"),
        ],
        &["queue.url: an embedded queue"],
    )
    .await;
    let one = [("AMQP_URL", "sqlite:all.db"), ("DATABASE_URL", "sqlite:./all.db")];
    let checked = call(&["settings", "--check"], &one).end().await;
    checked.check_code(2);
    let told = checked.stderr.last().unwrap();
    assert!(
        told.starts_with("kefu: database.url: is /") && told.contains("the file of queue.url"),
        "{checked:?}"
    );
}

#[tokio::test]
async fn a_second_worker_on_the_file_of_the_single_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("data/kefu.db");
    fs::create_dir(folder.path().join("data")).unwrap();
    let first = fs::File::create(folder.path().join("data/kefu.db.worker.lock")).unwrap();
    first.try_lock().unwrap();
    let url = format!("sqlite:{}", file.display());
    let variables = [("DATABASE_URL", url.as_str()), ("KEFU_WORKER__SINGLE", "true")];
    let ended = call(&["run", "worker"], &variables).end().await;
    ended.check_code(2);
    let expected = format!(
        "kefu: database.url: {} is in use by another worker",
        file.display()
    );
    assert!(ended.stderr.last().unwrap().starts_with(&expected), "{ended:?}");
    assert!(!file.exists(), "nothing is made for a worker that may not work");
}

#[tokio::test]
async fn one_address_for_two_is_refused() {
    let one = [
        ("KEFU_INGRESS__LISTEN", "0.0.0.0:3001"),
        ("KEFU_WORKER__LISTEN", "127.0.0.1:3001"),
    ];
    let checked = call(&["settings", "--check"], &one).end().await;
    checked.check_code(2);
    assert!(
        checked.stderr[0]
            .starts_with("kefu: worker.listen: 127.0.0.1:3001 is that of ingress.listen as well"),
        "{checked:?}"
    );
    let own = [
        ("KEFU_INGRESS__LISTEN", "127.0.0.1:3001"),
        ("KEFU_INGRESS__OPS_LISTEN", "127.0.0.1:3001"),
    ];
    check(
        "ingress",
        &own,
        &["ingress.ops_listen: 127.0.0.1:3001 is that of ingress.listen"],
    )
    .await;
}
