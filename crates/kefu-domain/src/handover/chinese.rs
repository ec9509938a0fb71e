//! Requests in Chinese: what is refused, what is asked about, and what is a wish. Judged by the words that touch the
//! person's word, since there are no spaces to cut at.

mod tables;

use std::ops::Range;

use super::Around;
use tables::{
    ASKING, COMPLAINTS, ENDINGS, FILLERS, LABOUR, MACHINES, MAY_FOLLOW, NOT_REFUSALS, PERSONS, REFUSALS,
    REPORTS, STOPS, TAILS, TIMES, TOPICS, WANTS,
};

/// Where the person stands in a keyword, such as 人工 in 转人工; `None` for words that name none.
pub(super) fn core(keyword: &str) -> Option<Range<usize>> {
    PERSONS
        .iter()
        .find_map(|person| keyword.find(person).map(|at| at..at + person.len()))
}

/// Whether the clause asks for what stands between `before` and `after`.
pub(super) fn is_wish(around: &Around<'_>) -> bool {
    if refused(around) {
        return false;
    }
    if !around.person {
        return true;
    }
    let lead = Lead::of(around.before);
    if asks_why(&lead) || is_identity(around) {
        return false;
    }
    // 周末有人工吗: there is one, but when?
    let asks = around.asks || around.after.ends_with(ASKING);
    let when = TIMES.iter().any(|time| around.before.contains(time)) && asks;
    if matches!(lead.stripped, "" | "有" | "有没有" | "还有") && when {
        return false;
    }
    lead.wants || !(is_about(around) || is_labour(around) || is_longer(around.after))
}

/// What stands before the person without the empty words next to it.
struct Lead<'a> {
    rest: &'a str,
    wants: bool,
    /// What was taken off.
    stripped: &'a str,
}

impl<'a> Lead<'a> {
    fn of(before: &'a str) -> Lead<'a> {
        let mut rest = before;
        let mut wants = false;
        while !STOPS.iter().any(|stop| rest.ends_with(stop)) {
            let take = |words: &[&str]| words.iter().find_map(|word| rest.strip_suffix(word));
            if let Some(shorter) = take(WANTS) {
                (rest, wants) = (shorter, true);
            } else if let Some(shorter) = take(FILLERS) {
                rest = shorter;
            } else {
                break;
            }
        }
        let stripped = &before[rest.len()..];
        Lead {
            rest,
            wants,
            stripped,
        }
    }
}

/// Whether the clause says that it is not wanted, before the word or behind it.
pub(super) fn refused(around: &Around<'_>) -> bool {
    refused_before(around) || refused_behind(around.after)
}

fn refused_before(around: &Around<'_>) -> bool {
    let Lead { rest, stripped, .. } = Lead::of(around.before);
    if ENDINGS.iter().any(|ending| rest.ends_with(ending)) {
        return true;
    }
    let Some(refusal) = REFUSALS.iter().find(|refusal| rest.ends_with(**refusal)) else {
        return false;
    };
    if NOT_REFUSALS.iter().any(|word| rest.ends_with(word)) {
        return false;
    }
    let head = &rest[..rest.len() - refusal.len()];
    if is_either_or(head, refusal, stripped)
        || is_failure(head, refusal, stripped, around.person)
        || complains(rest, head, stripped)
    {
        return false;
    }
    // 没有人工吗, 居然没有人工: who misses one wants one.
    let there_is_none = matches!(*refusal, "没" | "没有" | "无") && matches!(stripped, "" | "有");
    let asks = around.asks || around.after.ends_with(ASKING);
    let misses = ["居然", "竟然", "竟", "都", "连", "你们", "你家", "这里", "这边"];
    if there_is_none && (asks || misses.iter().any(|word| head.ends_with(word))) {
        return false;
    }
    // 不给我转人工 and 不转人工就投诉 tell that it is not done, not that it is not wanted.
    let not_done = *refusal == "不" && ["给", "帮", "让"].iter().any(|verb| stripped.starts_with(verb));
    let or_else = *refusal == "不"
        && [
            "就投", "就差", "就举", "就退", "就报", "就走", "我就", "不行", "不可",
        ]
        .iter()
        .any(|threat| around.after.contains(threat));
    !not_done && !or_else
}

/// 能不能, 要不要, 是不是, 有没有.
fn is_either_or(head: &str, refusal: &str, stripped: &str) -> bool {
    let said_before = head.chars().next_back();
    let said_behind = match refusal.chars().nth(1) {
        Some(second) if refusal != "没必要" && refusal != "没有必要" => Some(second),
        _ => stripped.chars().next(),
    };
    said_before.is_some() && said_before == said_behind
}

/// 找不到, 联系不上, 没用: what did not work, no refusal.
fn is_failure(head: &str, refusal: &str, stripped: &str, person: bool) -> bool {
    let stripped = match refusal {
        "没" => stripped.strip_prefix('有').unwrap_or(stripped),
        _ => stripped,
    };
    let result = |results: &str| stripped.starts_with(|sign| results.contains(sign));
    let is_undone = ["找到", "联系上"].iter().any(|verb| stripped.starts_with(verb));
    // A word that names nobody, such as 转客服, brings its own verb.
    let goes_on = !person || 1 < stripped.chars().count();
    match refusal {
        "不" => !head.is_empty() && result("到上去来成至回"),
        // 没用转人工, 钱还没退转人工: but 没用人工 says that nobody was asked.
        "没" | "没有" => is_undone || goes_on && result("用到退回来接上"),
        _ => false,
    }
}

/// 怎么不转人工, 还不转人工; but 还不需要人工 is none.
fn complains(rest: &str, head: &str, stripped: &str) -> bool {
    let needs = ["需", "用", "想", "要"]
        .iter()
        .any(|word| stripped.starts_with(word));
    let said = |complaint: &&str| head.contains(*complaint) || (rest.ends_with(*complaint) && !needs);
    COMPLAINTS.iter().any(said)
}

/// 人工不用了, 人工就算了.
fn refused_behind(after: &str) -> bool {
    const BEHIND: &[&str] = &["不需要", "不用", "不要", "不必", "免了", "算了", "没必要"];
    const PARTICLES: &[&str] = &["谢谢", "谢", "了", "啦", "吧", "的", "哈", "哦", "您", "你", " "];
    let after = without_tails(after);
    BEHIND
        .iter()
        .find_map(|refusal| after.strip_prefix(refusal))
        .is_some_and(|mut rest| {
            while let Some(shorter) = PARTICLES.iter().find_map(|particle| rest.strip_prefix(particle)) {
                rest = shorter;
            }
            rest.is_empty()
        })
}

/// 为什么要转人工, 怎么又转人工.
fn asks_why(lead: &Lead<'_>) -> bool {
    const WHY: &[&str] = &["为什么", "为啥", "为何", "干嘛", "干吗", "谁", "何必", "凭什么"];
    let again = lead.rest.ends_with("怎么") && lead.stripped.starts_with(['又', '老', '总']);
    lead.wants && (again || WHY.iter().any(|why| lead.rest.ends_with(why)))
}

/// 你是人工吗, 是人工还是机器人.
fn is_identity(around: &Around<'_>) -> bool {
    const MUST_BE: &[&str] = &[
        "要的是",
        "找的是",
        "说的是",
        "叫的是",
        "转的是",
        "必须是",
        "最好是",
        "希望是",
        "得是",
    ];
    let mut before = around.before;
    while let Some(shorter) = ["一个", "一位", "个", "位", "真的", "真", " "]
        .iter()
        .find_map(|filler| before.strip_suffix(filler))
    {
        before = shorter;
    }
    if ["是", "是否", "是不是", "算"]
        .iter()
        .any(|word| before.ends_with(word))
    {
        return !MUST_BE.iter().any(|word| before.ends_with(word));
    }
    // 真人吗, 人工吗: on their own they ask who is there.
    if around.before.is_empty() && matches!(around.after, "吗" | "么" | "嘛") {
        return true;
    }
    let both = [around.before, around.after];
    let or = both.iter().any(|text| text.contains("还是"));
    let machine = both
        .iter()
        .any(|text| MACHINES.iter().any(|machine| text.contains(machine)));
    or && machine && !Lead::of(around.before).wants
}

/// 人工客服几点上班, 人工说可以退.
fn is_about(around: &Around<'_>) -> bool {
    let behind = without_tails(around.after);
    TOPICS.iter().any(|topic| around.after.contains(topic))
        || REPORTS.iter().any(|report| behind.starts_with(report))
}

fn is_labour(around: &Around<'_>) -> bool {
    around.before == "包" || LABOUR.iter().any(|labour| around.before.ends_with(labour))
}

/// 人工 with something behind it that no request goes on with: a word that no list knows.
fn is_longer(after: &str) -> bool {
    let next = after.chars().next();
    next.is_some_and(|next| !next.is_ascii() && !MAY_FOLLOW.contains(next))
}

fn without_tails(mut after: &str) -> &str {
    while let Some(shorter) = TAILS.iter().find_map(|tail| after.strip_prefix(tail)) {
        after = shorter;
    }
    after
}
