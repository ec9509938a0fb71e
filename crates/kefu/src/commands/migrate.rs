use std::path::Path;

use kefu_settings::Settings;

use crate::commands::start_telemetry;
use crate::commands::store::{open_store, refused_or_unexpected};
use crate::output;

pub(super) async fn run(config: Option<&Path>) -> anyhow::Result<()> {
    let settings = Settings::load(config)?;
    let _telemetry = start_telemetry("kefu-migrate", &settings)?;
    let store = open_store(&settings).await?;
    let migrated = store.migrate().await;
    store.close().await;
    let migrated = migrated.map_err(refused_or_unexpected)?;
    match migrated.applied.len() {
        0 => output::line(format_args!(
            "database schema is at version {}, nothing to do",
            migrated.to
        ))?,
        count => output::line(format_args!(
            "database schema is at version {} ({count} migrations applied)",
            migrated.to
        ))?,
    }
    Ok(())
}
