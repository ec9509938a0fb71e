//! The task a model is given, with the local time in it where the text asks for it.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};
use kefu_domain::Millis;
use kefu_settings::SettingsError;

use super::question::{Line, SystemRole, messages};
use crate::AiSettings;

const TASK: &str = "你是企业的微信客服。用客户的语言，简短、礼貌、直接地回答；不确定时如实说明，不要编造。\
    客户可能连续发来几条消息，请合在一起一次回答。只输出要发给客户的文字，不要使用 Markdown。";
const WEEKDAYS: [&str; 7] = [
    "星期一",
    "星期二",
    "星期三",
    "星期四",
    "星期五",
    "星期六",
    "星期日",
];

#[derive(Clone, Debug)]
pub(super) struct Prompt {
    task: String,
    role: SystemRole,
    zone: TimeZone,
}

impl Prompt {
    pub(super) fn new(settings: &AiSettings) -> Result<Prompt, SettingsError> {
        let zone = match settings.timezone.trim() {
            "" => TimeZone::system(),
            name => TimeZone::get(name).map_err(|_| {
                let problem = "is no time zone; write one like Asia/Shanghai or UTC";
                SettingsError::new("ai.timezone", problem)
            })?,
        };
        Ok(Prompt {
            task: settings.system_prompt.clone().unwrap_or_else(|| TASK.to_owned()),
            role: settings.system_role,
            zone,
        })
    }

    pub(super) fn messages(&self, lines: &[Line], now: Millis) -> Vec<Line> {
        messages(&self.task_at(now), self.role, lines)
    }

    /// `{now}`, `{date}`, `{time}`, `{weekday}` and `{timezone}` become the local ones; other braces stay.
    fn task_at(&self, now: Millis) -> String {
        if !self.task.contains('{') {
            return self.task.clone();
        }
        let now = Timestamp::from_millisecond(now.0).unwrap_or(Timestamp::UNIX_EPOCH);
        let now = ZonedDateTime::new(now, self.zone.clone());
        let weekday = usize::from(now.weekday().to_monday_zero_offset().unsigned_abs());
        let zone = now
            .time_zone()
            .iana_name()
            .map_or_else(|| now.offset().to_string(), str::to_owned);
        [
            ("{now}", now.strftime("%Y-%m-%d %H:%M").to_string()),
            ("{date}", now.strftime("%Y-%m-%d").to_string()),
            ("{time}", now.strftime("%H:%M").to_string()),
            (
                "{weekday}",
                WEEKDAYS.get(weekday).copied().unwrap_or_default().to_owned(),
            ),
            ("{timezone}", zone),
        ]
        .iter()
        .fold(self.task.clone(), |task, (name, value)| task.replace(name, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Friday, 20:30 in Shanghai.
    const NOW: Millis = Millis(1_795_782_600_000);

    #[track_caller]
    fn check(task: &str, zone: &str, expected: &str) {
        let prompt = Prompt {
            task: task.to_owned(),
            role: SystemRole::System,
            zone: TimeZone::get(zone).unwrap(),
        };
        assert_eq!(prompt.task_at(NOW), expected);
    }

    #[test]
    fn the_local_time_stands_where_the_text_asks_for_it() {
        check(
            "现在是{now}，{weekday}。",
            "Asia/Shanghai",
            "现在是2026-11-27 20:30，星期五。",
        );
        check("{date} {time} {timezone}", "UTC", "2026-11-27 12:30 UTC");
        check("{date}", "Pacific/Kiritimati", "2026-11-28");
        check(
            "{\"a\": {unknown}} {{now}}",
            "UTC",
            "{\"a\": {unknown}} {2026-11-27 12:30}",
        );
        check("没有时间", "UTC", "没有时间");
    }
}
