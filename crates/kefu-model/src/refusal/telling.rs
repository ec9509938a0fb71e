//! Words of servers that tell what helps.

use super::Class;

pub(super) fn by_words(told: &str) -> Option<Class> {
    let told = told.to_lowercase();
    TELLING
        .iter()
        .find(|(_, words)| words.iter().any(|word| told.contains(word)))
        .map(|(class, _)| *class)
}

/// Words that tell a class, in lower case; the first class with a hit wins.
const TELLING: [(Class, &[&str]); 4] = [
    (
        Class::Permanent,
        &[
            "insufficient_quota",
            "insufficient balance",
            "insufficient_balance",
            "invalid_api_key",
            "invalid api key",
            "incorrect api key",
            "invalid token",
            "unauthorized",
            "authentication",
            "model_not_found",
            "model not found",
            "does not exist",
            "arrearage",
            "access denied",
            "欠费",
            "余额不足",
            "无效的令牌",
        ],
    ),
    (
        Class::Length,
        &[
            "context_length",
            "context length",
            "context window",
            "maximum context",
            "too long",
            "too many tokens",
            "token limit",
            "max_tokens",
            "input length",
            "prompt length",
            "reduce the length",
            "maximum length",
            "string_above_max_length",
            "too large",
            "过长",
            "超长",
            "长度超",
            "超出最大",
            "超过最大",
        ],
    ),
    (
        Class::Content,
        &[
            "content_filter",
            "content filter",
            "content_policy",
            "content management policy",
            "data_inspection",
            "datainspection",
            "inappropriate",
            "moderation",
            "safety",
            "sensitive",
            "risk control",
            "敏感",
            "违规",
            "不合规",
            "不安全",
            "审核",
        ],
    ),
    (
        Class::Transient,
        &[
            "rate limit",
            "rate_limit",
            "too many requests",
            "overloaded",
            "busy",
            "limit reached",
            "throttl",
            "timeout",
            "timed out",
            "try again",
            "temporarily",
            "unavailable",
            "限流",
            "繁忙",
            "稍后",
            "重试",
        ],
    ),
];
