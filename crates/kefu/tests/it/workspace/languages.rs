//! The README in two languages: what one says the other says, too.

use super::metadata::metadata;
use super::read;

fn readmes() -> [String; 2] {
    let root = &metadata().workspace_root;
    [
        read(&root.join("README.md")),
        read(&root.join("docs/README.zh-CN.md")),
    ]
}

fn headings(text: &str) -> Vec<usize> {
    outside_code(text)
        .filter(|line| line.starts_with('#'))
        .map(|line| line.bytes().take_while(|byte| *byte == b'#').count())
        .collect()
}

fn outside_code(text: &str) -> impl Iterator<Item = &str> {
    let mut in_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.starts_with("```");
        in_code ^= is_fence;
        !in_code && !is_fence
    })
}

fn code(text: &str) -> Vec<&str> {
    text.split("\n```").skip(1).step_by(2).collect()
}

/// The first cell of every row, with the codes in it.
fn rows(text: &str) -> Vec<&str> {
    let cells = outside_code(text).filter(|line| {
        line.starts_with("| `")
            || line
                .strip_prefix("| ")
                .is_some_and(|cell| cell.starts_with(|c: char| c.is_ascii_digit()))
    });
    cells.filter_map(|line| line.split(" | ").next()).collect()
}

#[test]
fn both_languages_of_the_readme_have_the_same_parts() {
    let [english, chinese] = readmes();
    assert_eq!(headings(&english), headings(&chinese), "headings");
    assert_eq!(code(&english), code(&chinese), "code blocks");
    assert_eq!(rows(&english), rows(&chinese), "rows of tables");
    assert!(english.contains("(docs/README.zh-CN.md)") && chinese.contains("(../README.md)"));
}

#[test]
fn every_link_of_the_chinese_readme_leads_somewhere() {
    let [_, chinese] = readmes();
    let folder = metadata().workspace_root.join("docs");
    for target in chinese
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', '#']).next())
    {
        assert!(
            target.starts_with("http") || folder.join(target).exists(),
            "{target}"
        );
    }
}
