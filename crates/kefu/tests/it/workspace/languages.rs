//! The README in two languages: whatever does not depend on the language stands in both, section by section.

use std::collections::BTreeSet;

use super::metadata::metadata;
use super::{check, read};

const ENGLISH: &str = "README.md";
const CHINESE: &str = "docs/README.zh-CN.md";

/// What stands under one heading. The headings themselves are of their language, but for their level.
#[derive(Default)]
struct Section<'a> {
    heading: &'a str,
    /// Opening line and body of each block of code.
    blocks: Vec<Vec<&'a str>>,
    /// Everything else.
    lines: Vec<&'a str>,
}

impl<'a> Section<'a> {
    fn all(text: &'a str) -> Vec<Section<'a>> {
        let mut sections = vec![Section::default()];
        let mut in_code = false;
        for line in text.lines() {
            let section = sections.last_mut().unwrap();
            if line.starts_with("```") {
                in_code = !in_code;
                if in_code {
                    section.blocks.push(vec![line]);
                }
            } else if in_code {
                section.blocks.last_mut().unwrap().push(line);
            } else if line.starts_with('#') {
                sections.push(Section {
                    heading: line,
                    ..Section::default()
                });
            } else {
                section.lines.push(line);
            }
        }
        sections
    }

    fn level(&self) -> usize {
        self.heading.bytes().take_while(|byte| *byte == b'#').count()
    }

    /// All that must be the same in both languages.
    fn parts(&self, is_in_docs: bool) -> [(&'static str, Vec<String>); 5] {
        let points = vec!["a point of a list".to_owned(); self.points()];
        [
            (
                "lines of code",
                self.code().into_iter().map(str::to_owned).collect(),
            ),
            (
                "codes in the text",
                self.codes().into_iter().map(str::to_owned).collect(),
            ),
            ("links", self.links(is_in_docs).into_iter().collect()),
            ("rows of tables", self.rows()),
            ("points of lists", points),
        ]
    }

    /// The blocks of code, without what they say to a reader.
    fn code(&self) -> Vec<&'a str> {
        let without_words = |block: &Vec<&'a str>| match block[0] {
            "```text" => block.clone(),
            _ => block.iter().map(|line| without_comment(line)).collect(),
        };
        self.blocks.iter().flat_map(without_words).collect()
    }

    /// Commands, settings and paths in the sentences.
    fn codes(&self) -> BTreeSet<&'a str> {
        self.lines
            .iter()
            .flat_map(|line| line.split('`').skip(1).step_by(2))
            .collect()
    }

    /// What the links name, seen from the root; those to the other language left out.
    fn links(&self, is_in_docs: bool) -> BTreeSet<String> {
        let from_root = |target: &str| match (target.starts_with("http"), is_in_docs) {
            (false, true) => target
                .strip_prefix("../")
                .map_or_else(|| format!("docs/{target}"), str::to_owned),
            _ => target.to_owned(),
        };
        self.lines
            .iter()
            .flat_map(|line| targets(line))
            .map(from_root)
            .filter(|target| target != ENGLISH && target != CHINESE)
            .collect()
    }

    /// Of every line of a table: how many cells, and the first one where it is a code or a number.
    fn rows(&self) -> Vec<String> {
        let is_name = |cell: &&str| cell.starts_with('`') || cell.bytes().all(|byte| byte.is_ascii_digit());
        let row = |line: &&str| {
            let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
            let name = cells.first().copied().filter(is_name).unwrap_or("…");
            format!("{name} of {} cells", cells.len())
        };
        let rows = self.lines.iter().filter(|line| line.starts_with("| "));
        rows.map(row).collect()
    }

    /// Points of its lists, and steps.
    fn points(&self) -> usize {
        let is_point = |line: &&&str| {
            line.starts_with("- ")
                || line
                    .trim_start_matches(|c: char| c.is_ascii_digit())
                    .starts_with(". ")
        };
        self.lines.iter().filter(is_point).count()
    }
}

/// A line of shell or TOML without the comment at its end.
fn without_comment(line: &str) -> &str {
    let kept = match line.starts_with('#') {
        true => "",
        false => line.split_once("  #").map_or(line, |(before, _)| before),
    };
    kept.trim_end()
}

/// Where the links of a line lead to.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

#[test]
fn both_languages_of_the_readme_have_the_same_parts() {
    let root = &metadata().workspace_root;
    let [english, chinese] = [ENGLISH, CHINESE].map(|path| read(&root.join(path)));
    let [english, chinese] = [&english, &chinese].map(|text| Section::all(text));
    let levels = |sections: &[Section<'_>]| sections.iter().map(Section::level).collect::<Vec<_>>();
    assert_eq!(levels(&english), levels(&chinese), "levels of the headings");
    let mut broken = Vec::new();
    for (ours, theirs) in english.iter().zip(&chinese) {
        for ((what, english), (_, chinese)) in ours.parts(false).into_iter().zip(theirs.parts(true)) {
            let only = |these: &[String], those: &[String]| -> Vec<String> {
                these
                    .iter()
                    .filter(|part| !those.contains(part))
                    .cloned()
                    .collect()
            };
            if english != chinese {
                broken.push(format!(
                    "{what} under {:?} and {:?}: {} and {}; only in one: {:?} and {:?}",
                    ours.heading,
                    theirs.heading,
                    english.len(),
                    chinese.len(),
                    only(&english, &chinese),
                    only(&chinese, &english),
                ));
            }
        }
    }
    check("both languages of the README say the same", &broken);
}

#[test]
fn every_link_of_both_leads_somewhere_and_each_names_the_other() {
    let root = &metadata().workspace_root;
    let mut broken = Vec::new();
    for (path, other) in [(ENGLISH, CHINESE), (CHINESE, "../README.md")] {
        let text = read(&root.join(path));
        let file = root.join(path);
        let folder = file.parent().unwrap();
        for target in text.lines().flat_map(targets) {
            let file = target.split('#').next().unwrap();
            if !target.starts_with("http") && !folder.join(file).exists() {
                broken.push(format!("{path} names {target}, which is not there"));
            }
        }
        if !text
            .lines()
            .take(5)
            .flat_map(targets)
            .any(|target| target == other)
        {
            broken.push(format!("{path} does not name {other} at its top"));
        }
    }
    check("links of both languages of the README", &broken);
}
