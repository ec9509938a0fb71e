use kefu_process::VERSION;
use serde_json::json;

use crate::cli::VersionArgs;
use crate::output;

const RUSTC: &str = env!("KEFU_RUSTC");
const TARGET: &str = env!("KEFU_TARGET");

pub(super) fn run(args: &VersionArgs) -> anyhow::Result<()> {
    if args.json {
        return output::json(&json!({
            "name": "kefu",
            "version": VERSION,
            "rustc": RUSTC,
            "target": TARGET,
        }));
    }
    Ok(output::line(format_args!(
        "kefu {VERSION} (rustc {RUSTC}, {TARGET})"
    ))?)
}
