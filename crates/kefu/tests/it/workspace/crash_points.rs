//! The crash points that are listed are those that stand in the sources: one place each.

use kefu_ingress::CRASH_POINTS as INGRESS;
use kefu_process::crash::Point;
use kefu_worker::CRASH_POINTS as WORKER;

use super::layout::sources;
use super::{check, read};

/// The crate which defines what they do, and so passes none.
const HOME: &str = "kefu-process";

/// Of both roles.
pub(super) fn points() -> Vec<Point> {
    [INGRESS, WORKER].concat()
}

#[test]
fn every_crash_point_is_listed_and_stands_at_one_place() {
    let mut broken = Vec::new();
    let mut passed = Vec::new();
    let shipped = sources()
        .into_iter()
        .filter(|file| !file.iter().any(|part| part == "tests" || part == HOME));
    for file in shipped {
        // Without white space: rustfmt breaks long calls over lines.
        let text: String = read(&file).split_whitespace().collect();
        for call in text.split("crash_point(").skip(1) {
            match call.strip_prefix('"').and_then(|rest| rest.split_once("\")")) {
                Some((name, _)) => passed.push(name.to_owned()),
                None => broken.push(format!("{}: a crash point is named by a literal", file.display())),
            }
        }
    }
    for (name, _) in &points() {
        let places = passed.iter().filter(|passed| passed == name).count();
        if places != 1 {
            broken.push(format!("{name} is passed at {places} places, not at one"));
        }
    }
    for name in &passed {
        if !points().iter().any(|(listed, _)| listed == name) {
            broken.push(format!("{name} is in no table"));
        }
    }
    check("crash points are listed and passed at one place each", &broken);
}

#[test]
fn crash_points_are_listed_once_in_lower_case() {
    let mut broken = Vec::new();
    let points = points();
    for (index, (name, before)) in points.iter().enumerate() {
        let is_snake = name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        let is_new = !points[..index].iter().any(|(earlier, _)| earlier == name);
        if !is_snake || !is_new || before.is_empty() {
            broken.push((*name).to_owned());
        }
    }
    check(
        "crash points are listed once, in snake case, with what was before",
        &broken,
    );
}
