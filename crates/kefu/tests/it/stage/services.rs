use std::sync::atomic::{AtomicU32, Ordering};

use reqwest::Url;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Instance, http};

/// The real services with a corner of each for one test: queues under a prefix, a schema, a Redis database.
pub(crate) struct Services {
    pub(crate) amqp: String,
    pub(crate) redis: String,
    pub(crate) postgres: String,
    pub(crate) prefix: String,
    schema: String,
    management: String,
}

impl Services {
    pub(crate) async fn own() -> Services {
        Services::with(&[]).await
    }

    /// The same, with some of the services from instances of the test's own.
    pub(crate) async fn with(instances: &[&Instance]) -> Services {
        let service = |variable: &str| {
            let own = instances.iter().find_map(|instance| instance.variable(variable));
            own.map_or_else(|| service(variable), str::to_owned)
        };
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("kefu_e2e_{}_{number}", std::process::id());
        let base = service("DATABASE_URL");
        let mark = if base.contains('?') { '&' } else { '?' };
        let mut redis = Url::parse(&service("REDIS_URL")).unwrap();
        // There are 16 databases; number 0 belongs to the tests of the library.
        redis.set_path(&(1 + number % 15).to_string());
        let services = Services {
            amqp: service("AMQP_URL"),
            redis: redis.into(),
            postgres: format!("{base}{mark}options[search_path]={name}"),
            prefix: name.clone(),
            schema: name,
            management: service("RABBITMQ_MANAGEMENT_URL"),
        };
        services
            .sql(&format!(
                "DROP SCHEMA IF EXISTS {0} CASCADE; CREATE SCHEMA {0}",
                services.schema
            ))
            .await;
        services.flush_redis().await;
        services
    }

    /// What the environment of a role says about them.
    pub(crate) fn settings(&self) -> Vec<(String, String)> {
        let pairs = [
            ("AMQP_URL", &self.amqp),
            ("REDIS_URL", &self.redis),
            ("DATABASE_URL", &self.postgres),
            ("KEFU_QUEUE__PREFIX", &self.prefix),
        ];
        pairs
            .map(|(name, value)| (name.to_owned(), value.clone()))
            .to_vec()
    }

    /// Statements in the test's own schema.
    pub(crate) async fn sql(&self, statements: &str) {
        let mut connection = PgConnection::connect(&self.postgres).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(statements.to_owned()))
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
    }

    /// The one number a query of the test's own schema finds.
    pub(crate) async fn count(&self, query: &str) -> i64 {
        self.one(query).await
    }

    /// The one value a query of the test's own schema finds.
    pub(crate) async fn one<T>(&self, query: &str) -> T
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
    {
        let mut connection = PgConnection::connect(&self.postgres).await.unwrap();
        let found = sqlx::query_scalar(AssertSqlSafe(query.to_owned()));
        let found = found.fetch_one(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        found
    }

    /// The queues of this test as the management page shows them.
    pub(crate) async fn queues(&self) -> Vec<Value> {
        self.listed("queues").await
    }

    /// Puts bytes into one of this test's lanes, as no Kefu would.
    pub(crate) async fn publish(&self, lane: &str, bytes: &str) {
        let url = format!("{}/api/exchanges/%2f/amq.default/publish", self.management);
        let message = json!({
            "routing_key": format!("{}.{lane}", self.prefix),
            "properties": { "delivery_mode": 2 },
            "payload": bytes,
            "payload_encoding": "string",
        });
        let answer = http().post(url).json(&message).send().await.unwrap();
        let answer: Value = answer.error_for_status().unwrap().json().await.unwrap();
        assert_eq!(answer["routed"], true);
    }

    /// With all that is in it, as an operator does.
    #[cfg(feature = "chaos")]
    pub(crate) async fn delete_queue(&self, name: &str) {
        let url = format!("{}/api/queues/%2f/{name}", self.management);
        let deleted = http().delete(url).send().await.unwrap();
        deleted.error_for_status().unwrap();
    }

    /// Takes everything away again; what a failed test leaves behind is in nobody's way.
    pub(crate) async fn remove(self) {
        for kind in ["queues", "exchanges"] {
            for name in self.names(kind).await {
                let url = format!("{}/api/{kind}/%2f/{name}", self.management);
                let removed = http().delete(url).send().await.unwrap();
                removed.error_for_status().unwrap();
            }
        }
        self.sql(&format!("DROP SCHEMA {} CASCADE", self.schema)).await;
    }

    async fn names(&self, kind: &str) -> Vec<String> {
        let ours = self.listed(kind).await.into_iter();
        ours.map(|found| found["name"].as_str().unwrap().to_owned())
            .collect()
    }

    /// What the management page lists under this test's prefix.
    async fn listed(&self, kind: &str) -> Vec<Value> {
        let url = format!("{}/api/{kind}/%2f", self.management);
        let all: Vec<Value> = http().get(url).send().await.unwrap().json().await.unwrap();
        let prefix = format!("{}.", self.prefix);
        let is_ours = |found: &Value| found["name"].as_str().unwrap().starts_with(&prefix);
        all.into_iter().filter(is_ours).collect()
    }

    /// Forgets everything in this test's own database of Redis.
    pub(crate) async fn flush_redis(&self) {
        let url = Url::parse(&self.redis).unwrap();
        let mut commands = vec![
            format!("SELECT {}", url.path().trim_start_matches('/')),
            "FLUSHDB".into(),
        ];
        if let Some(password) = url.password() {
            let user = if url.username().is_empty() {
                "default"
            } else {
                url.username()
            };
            commands.insert(0, format!("AUTH {user} {password}"));
        }
        commands.push("QUIT\r\n".into());
        let address = (url.host_str().unwrap().to_owned(), url.port().unwrap_or(6379));
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(commands.join("\r\n").as_bytes()).await.unwrap();
        let mut answers = String::new();
        stream.read_to_string(&mut answers).await.unwrap();
        assert_eq!(answers, "+OK\r\n".repeat(commands.len()));
    }
}

/// A missing service is a failure, never a skip.
fn service(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!("{variable} is not set: run `eval \"$(scripts/services start)\"` in the root, then the tests")
    })
}

/// `host:port` of a URL, and the URL with another port of this machine.
pub(crate) fn moved(url: &str, port: u16) -> (String, String) {
    let mut url = Url::parse(url).unwrap();
    let place = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
    url.set_host(Some("127.0.0.1")).unwrap();
    url.set_port(Some(port)).unwrap();
    (place, url.into())
}
