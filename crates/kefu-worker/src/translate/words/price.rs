//! Prices as a customer knows them: WeCom counts in fen, people in yuan.

/// More digits are no price: they are shown as they came.
const DIGITS_MAX: usize = 15;

/// Fen in yuan with two decimals; what is not a bare number is a price in words already, and stays.
pub(super) fn price(text: &str) -> String {
    let text = text.trim();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let is_fen =
        (1..=DIGITS_MAX).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit());
    match digits.parse::<u64>() {
        Ok(fen) if is_fen => format!(
            "{}¥{}.{:02}",
            if fen == 0 { "" } else { sign },
            fen / 100,
            fen % 100
        ),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(price(text), expected);
    }

    #[test]
    fn fen_are_shown_as_yuan() {
        check("5900", "¥59.00");
        check("5", "¥0.05");
        check("50", "¥0.50");
        check("123456", "¥1234.56");
        check(" 005900 ", "¥59.00");
        check("+199", "¥1.99");
        check("0", "¥0.00");
        check("-5900", "-¥59.00");
        check("-0", "¥0.00");
        check("999999999999999", "¥9999999999999.99");
    }

    #[test]
    fn a_price_in_words_stays() {
        for price in [
            "59.00",
            "¥59.00",
            "￥5900",
            "59元",
            "5,900",
            "HK$ 12",
            "面议",
            "",
            "-",
            "5 900",
            "1e5",
            "５９００",
            "9999999999999999",
            "99999999999999999999999999",
            "NaN",
        ] {
            check(price, price);
        }
    }
}
