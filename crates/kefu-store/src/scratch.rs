use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use sqlx::{AssertSqlSafe, ConnectOptions};

use crate::store::postgres_options;
use crate::{DatabaseSettings, StoreError};

/// Room of its own in the database of the settings, for a measurement that must not meet real data.
pub struct Scratch {
    url: SecretString,
    /// What to drop, and with which URL; SQLite's file goes with its folder.
    schema: Option<(String, SecretString)>,
}

impl Scratch {
    /// A schema of that name in PostgreSQL, or a file in `folder` for SQLite.
    ///
    /// `name` is ours, never a user's, and consists of a-z, 0-9 and _: it becomes part of a statement.
    pub async fn create(
        settings: &DatabaseSettings,
        name: &str,
        folder: &Path,
    ) -> Result<Scratch, StoreError> {
        let base = settings.url.expose_secret();
        if !base.starts_with("postgres") {
            let url = format!("sqlite:{}", folder.join("kefu.db").display());
            return Ok(Scratch {
                url: url.into(),
                schema: None,
            });
        }
        if !name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        {
            return Err(StoreError::url(format!("{name} cannot be the name of a schema")));
        }
        run(base, format!("CREATE SCHEMA {name}")).await?;
        let mark = if base.contains('?') { '&' } else { '?' };
        let url = format!("{base}{mark}options[search_path]={name}");
        Ok(Scratch {
            url: url.into(),
            schema: Some((name.to_owned(), settings.url.clone())),
        })
    }

    /// What stands in `database.url`.
    pub fn url(&self) -> &SecretString {
        &self.url
    }

    /// Drops everything that was stored.
    pub async fn remove(self) -> Result<(), StoreError> {
        match &self.schema {
            Some((name, base)) => run(base.expose_secret(), format!("DROP SCHEMA {name} CASCADE")).await,
            None => Ok(()),
        }
    }
}

async fn run(url: &str, sql: String) -> Result<(), StoreError> {
    let mut connection = postgres_options(url)?.connect().await?;
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
    Ok(())
}
