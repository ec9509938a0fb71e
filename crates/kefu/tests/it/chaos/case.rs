//! One row of the table of `scripts/chaos`.

use std::fs::OpenOptions;
use std::io::Write;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

/// A scenario at work. Dropped before `end` was called, it has failed.
pub(crate) struct Case {
    number: &'static str,
    injected: String,
    began_at: Instant,
    row: Option<Row>,
}

struct Row {
    lost: u64,
    duplicated: u64,
    recovery: Option<Duration>,
    note: String,
}

impl Case {
    /// `number` as in the test's name; `injected` says what is done to Kefu.
    pub(crate) fn begin(number: &'static str, injected: impl Into<String>) -> Case {
        Case {
            number,
            injected: injected.into(),
            began_at: Instant::now(),
            row: None,
        }
    }

    /// All that had to be true was; `report` are the simulator's totals, `recovery` the time from the end of the fault
    /// until all was well again.
    pub(crate) fn end(mut self, report: &Value, recovery: Option<Duration>, note: impl Into<String>) {
        self.row = Some(Row {
            lost: report["lost"].as_u64().unwrap(),
            duplicated: report["duplicated"].as_u64().unwrap(),
            recovery,
            note: note.into(),
        });
    }

    fn columns(&self) -> [String; 8] {
        let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
        let (lost, duplicated, recovery, note, verdict) = match &self.row {
            Some(row) => (
                row.lost.to_string(),
                row.duplicated.to_string(),
                row.recovery.map_or_else(|| "-".into(), seconds),
                row.note.clone(),
                if row.lost + row.duplicated == 0 {
                    "passed"
                } else {
                    "FAILED"
                },
            ),
            None => ("?".into(), "?".into(), "?".into(), String::new(), "FAILED"),
        };
        [
            self.number.to_owned(),
            self.injected.clone(),
            lost,
            duplicated,
            recovery,
            seconds(self.began_at.elapsed()),
            verdict.to_owned(),
            note,
        ]
    }
}

impl Drop for Case {
    fn drop(&mut self) {
        // Only `scripts/chaos` names a file.
        let Some(path) = std::env::var_os("KEFU_CHAOS_ROWS") else {
            return;
        };
        let file = OpenOptions::new().create(true).append(true).open(path);
        let written = file.and_then(|mut file| writeln!(file, "{}", self.columns().join("\t")));
        assert!(written.is_ok() || std::thread::panicking(), "{written:?}");
    }
}
