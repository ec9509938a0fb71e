use std::sync::OnceLock;

use super::plan::{Deed, Plan};
use super::{Point, VARIABLE};
use crate::stderr;
use kefu_settings::SettingsError;

/// Read once. Global, because a point must not change the signature of what it stands in.
static PLAN: OnceLock<Result<Plan, SettingsError>> = OnceLock::new();

/// Refuses a `KEFU_CRASH_AT` that cannot be followed: `known` are the points of all roles of this executable.
pub fn check(known: &[&[Point]]) -> Result<(), SettingsError> {
    match plan() {
        Ok(plan) => plan
            .check(known)
            .map_err(|problem| SettingsError::new(VARIABLE, problem)),
        Err(error) => Err(error.clone()),
    }
}

/// Passes a point of its role; aborts or panics if it is this passage's turn.
pub fn crash_point(name: &'static str) {
    // A variable that does not read has been refused at the start.
    let Ok(plan) = plan() else { return };
    match plan.pass(name) {
        None => (),
        Some(Deed::Abort) => {
            stderr::say(&format!("kefu: {VARIABLE}: aborting at {name}"));
            stderr::flush();
            std::process::abort();
        }
        Some(Deed::Panic) => panic!("{VARIABLE}: panic at {name}"),
    }
}

fn plan() -> &'static Result<Plan, SettingsError> {
    PLAN.get_or_init(|| {
        let value = std::env::var_os(VARIABLE).unwrap_or_default();
        let text = value.to_str().ok_or("is not UTF-8".to_owned());
        text.and_then(Plan::parse)
            .map_err(|problem| SettingsError::new(VARIABLE, problem))
    })
}
