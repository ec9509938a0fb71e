//! What a process uses, from /proc.

use std::fs;
use std::time::Duration;

use super::Running;

/// The kernel counts processor time in hundredths of a second on every Linux there is.
const TICK: Duration = Duration::from_millis(10);

#[derive(Clone, Copy, Debug)]
#[cfg_attr(
    not(feature = "chaos"),
    expect(dead_code, reason = "only the full sizes look at all of it")
)]
pub(crate) struct Usage {
    pub(crate) memory_mib: u64,
    /// The most memory it ever used.
    pub(crate) peak_mib: u64,
    pub(crate) threads: u64,
    /// Open file descriptors.
    pub(crate) files: usize,
    /// Time on the processor since its start.
    pub(crate) cpu: Duration,
}

impl Running {
    pub(crate) fn usage(&self) -> Usage {
        let folder = format!("/proc/{}", self.pid());
        let status = fs::read_to_string(format!("{folder}/status")).unwrap();
        let field = |name: &str| -> u64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().next().unwrap().parse().unwrap()
        };
        let stat = fs::read_to_string(format!("{folder}/stat")).unwrap();
        // Behind the name in parentheses: state is the first, user and system time the 12th and 13th.
        let times = stat.rsplit(')').next().unwrap().split_whitespace();
        let ticks: u32 = times
            .skip(11)
            .take(2)
            .map(|time| time.parse::<u32>().unwrap())
            .sum();
        Usage {
            memory_mib: field("VmRSS:") / 1024,
            peak_mib: field("VmHWM:") / 1024,
            threads: field("Threads:"),
            files: fs::read_dir(format!("{folder}/fd")).unwrap().count(),
            cpu: TICK * ticks,
        }
    }
}
