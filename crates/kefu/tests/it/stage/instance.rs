//! Services of one test alone, which it may kill, freeze, wipe and start again.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

/// Starting RabbitMQ takes 6 s on an idle machine.
const START_MAX: Duration = Duration::from_secs(180);

/// An instance of some services, by `scripts/services`. Dropping it ends them and removes their data.
pub(crate) struct Instance {
    name: &'static str,
    variables: Vec<(String, String)>,
}

impl Instance {
    /// `name` belongs to one test; `services` are `rabbitmq`, `redis` and `postgres`.
    pub(crate) async fn start(name: &'static str, services: &[&str]) -> Instance {
        let mut instance = Instance {
            name,
            variables: Vec::new(),
        };
        // What an interrupted run has left.
        instance.run(&["stop"]).await;
        let started = instance.run(&[&["start"], services].concat()).await;
        instance.variables = started.lines().map(variable).collect();
        instance
    }

    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        let found = self.variables.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| value.as_str())
    }

    /// As a crash of the machine's kernel would: nothing is finished.
    pub(crate) async fn kill(&self, service: &str) {
        self.run(&["signal", "KILL", service]).await;
    }

    /// From here on it holds its connections and says nothing.
    #[cfg(feature = "chaos")]
    pub(crate) async fn freeze(&self, service: &str) {
        self.run(&["signal", "STOP", service]).await;
    }

    #[cfg(feature = "chaos")]
    pub(crate) async fn thaw(&self, service: &str) {
        self.run(&["signal", "CONT", service]).await;
    }

    /// As its operator ends it. Returns when it is gone.
    #[cfg(feature = "chaos")]
    pub(crate) async fn halt(&self, service: &str) {
        self.run(&["halt", service]).await;
    }

    /// Returns when it answers.
    pub(crate) async fn start_again(&self, service: &str) {
        self.run(&["start", service]).await;
    }

    pub(crate) async fn rabbitmqctl(&self, arguments: &[&str]) {
        self.run(&[&["rabbitmqctl"], arguments].concat()).await;
    }

    /// Where a service keeps its data and `scripts/services` its process ids.
    pub(crate) fn folder(&self) -> PathBuf {
        root().join("target").join(format!("services-{}", self.name))
    }

    async fn run(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(root().join("scripts/services"));
        command
            .args(["--instance", self.name])
            .args(arguments)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let done = timeout(START_MAX, command.output()).await;
        let done =
            done.unwrap_or_else(|_| panic!("scripts/services {arguments:?}: not within {START_MAX:?}"));
        let done = done.unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "scripts/services {arguments:?}: {said}");
        String::from_utf8(done.stdout).unwrap()
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // A frozen service does not end when it is asked to. What fails here is ended by `stop-instances`.
        for arguments in [
            &["signal", "CONT", "rabbitmq", "redis", "postgres"][..],
            &["stop"],
        ] {
            let _ = std::process::Command::new(root().join("scripts/services"))
                .args(["--instance", self.name])
                .args(arguments)
                .stderr(Stdio::null())
                .status();
        }
    }
}

/// `export NAME='value'`
fn variable(line: &str) -> (String, String) {
    let pair = line.strip_prefix("export ").and_then(|pair| pair.split_once('='));
    let (name, value) = pair.unwrap_or_else(|| panic!("scripts/services says {line:?}"));
    (name.to_owned(), value.trim_matches('\'').to_owned())
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}
