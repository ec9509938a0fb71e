use std::path::Path;

use kefu_domain::counted;
use kefu_settings::Settings;
use serde_json::json;

use crate::cli::MigrateArgs;
use crate::commands::start_telemetry;
use crate::commands::store::{create_store, explained};
use crate::output;

pub(super) async fn run(config: Option<&Path>, args: &MigrateArgs) -> anyhow::Result<()> {
    let settings = Settings::load(config)?;
    let _telemetry = start_telemetry("kefu-migrate", &settings)?;
    let store = create_store(&settings).await?;
    let migrated = store.migrate().await;
    store.close().await;
    let migrated = migrated.map_err(explained)?;
    if args.json {
        return output::json(&json!({
            "from": migrated.from,
            "version": migrated.to,
            "applied": migrated.applied,
        }));
    }
    match migrated.applied.len() {
        0 => output::line(format_args!(
            "database schema is at version {}, nothing to do",
            migrated.to
        ))?,
        count => output::line(format_args!(
            "database schema is at version {} ({} applied)",
            migrated.to,
            counted(count, "migration")
        ))?,
    }
    Ok(())
}
