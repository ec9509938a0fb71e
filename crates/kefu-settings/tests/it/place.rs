//! What is said about files and folders that cannot be used.

use std::io;
use std::path::{Path, PathBuf};

use kefu_settings::{AsUser, Unusable, absolute};

fn look(path: &Path) -> Option<String> {
    Unusable::look(path).map(|found| found.to_string())
}

#[test]
fn it_names_the_whole_path_the_reason_and_the_user() {
    let error = io::Error::from_raw_os_error(13);
    let here = std::env::current_dir().unwrap();
    assert_eq!(
        Unusable::new("create", Path::new("kefu-data/spool"), error).to_string(),
        format!(
            "cannot create {}/kefu-data/spool: Permission denied (os error 13){AsUser}",
            here.display()
        ),
    );
    assert!(AsUser.to_string().starts_with(", as user "));
    assert_eq!(absolute(Path::new("./a/b")), here.join("a/b"));
    assert_eq!(absolute(Path::new("/a/b")), PathBuf::from("/a/b"));
}

#[test]
fn it_finds_out_what_is_wrong_with_a_database_file() {
    let folder = tempfile::tempdir().unwrap();
    let fine = folder.path().join("fine.db");
    assert_eq!(look(&fine), None);
    std::fs::write(&fine, "x").unwrap();
    assert_eq!(look(&fine), None);
    // A folder in its place, a file in its folder's, a folder that is not there, one that takes no files.
    let is_folder = look(folder.path()).unwrap();
    assert!(
        is_folder.starts_with(&format!(
            "cannot open {}: Is a directory",
            folder.path().display()
        )),
        "{is_folder}"
    );
    let below_file = look(&fine.join("kefu.db")).unwrap();
    assert!(
        below_file.starts_with(&format!("cannot open {}: not a directory", fine.display())),
        "{below_file}"
    );
    let missing = look(&folder.path().join("none/kefu.db")).unwrap();
    assert!(
        missing.contains("/none: No such file or directory (os error 2), as user"),
        "{missing}"
    );
    let proc = look(Path::new("/proc/kefu.db")).unwrap();
    assert!(proc.starts_with("cannot write to /proc: "), "{proc}");
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(names.len(), 1, "{names:?}");
}
