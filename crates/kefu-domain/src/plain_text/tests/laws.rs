//! What holds for every answer, tried with many.

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::linear::reads_in_linear_time;

fn plain(answer: &str) -> String {
    plain_text(answer, &ThoughtMarks::default())
}

/// Values that no answer may lose a sign of, with what a model may write around them.
const KEPT: &[&str] = &[
    "138****5678",
    "139****1234",
    "c******l@g****.com",
    "x**y@b.example",
    "110101********1234",
    "6222 **** **** 1234",
    "2**10=1024",
    "5*3=15",
    "6*2=12",
    "A*B*C",
    "snake_case_name",
    "user__guide__v2.pdf",
    "__init__.py",
    "https://a.example/_x_/__y__?a=*b*&c=~~d~~",
    "https://b.example/u__v__w.pdf",
    "www.c.example/a_b_c",
    "3~5天",
    "C:\\dir\\_tmp_\\x",
    "src/**/*.rs",
    "#1",
    "￥5.00",
    "a_b@c.example",
    "尾号***1234",
    "张**先生",
    "李**女士",
    "^_^",
];
const AROUND: &[&str] = &[
    "，",
    "。",
    " ",
    "\n",
    "\n\n",
    "和",
    "，请**务必**带上，",
    "，**重点：**",
    "，__注意__，",
    "\n- ",
    "\n1. ",
    "\n* ",
    "\n> ",
    "\n# ",
    "，见[帮助](https://h.example/a_b)，",
    "，`代码`，",
    "。\n\n---\n\n",
    "（**今日**）",
    " ~~旧~~ ",
    "\n```\n*x* __y__\n```\n",
    "：",
    "<br>",
    "“**引**”",
];

/// Values that look like marks on one side.
const DOUBTFUL: &[&str] = &[
    "尾号**34",
    "客户李**",
    "收货人王**",
    "上海市**区**路**号",
    "*号楼*单元",
    "赵*",
    "****",
    "密码：**",
];
/// What stands between them, bold in pairs only.
const BETWEEN: &[&str] = &[
    "，",
    "。",
    "\n",
    "，请**务必**带上，",
    "，**请查收**。",
    "（**今日**）",
    "，**重点：**内容，",
    "；**已发货**，",
    " **好** ",
];

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "1[0-9]{2}\\*{4}[0-9]{4}",
        "[1-9][0-9]{5}\\*{8}[0-9]{3}[0-9X]",
        "[a-z]{1,3}\\*{1,6}[a-z0-9]{1,3}@[a-z]{1,2}\\*{0,4}[a-z]{0,2}\\.com",
        "[王李张刘陈杨黄赵吴周]\\*\\*(先生|女士|小姐|经理|同学)",
        "[0-9]{1,3}\\*\\*[0-9]{1,2}=[0-9]{1,4}",
        "[0-9]{1,2}\\*[0-9]{1,2}=[0-9]{1,3}",
        "[a-z]{1,6}__[a-z]{1,6}__v[0-9]\\.pdf",
        "https://[a-z]{1,5}\\.example/[a-z_*~=&?%.]{0,20}[a-z0-9]",
        "6222 \\*{4} \\*{4} [0-9]{4}",
    ]
}

fn around() -> impl Strategy<Value = String> {
    prop_oneof![
        "[一-龥]{0,6}[，。：、；！？（）“” \n]",
        "[，。；]?[一-龥]{1,4}\\*\\*[一-龥]{2,6}[：！。]?\\*\\*[一-龥]{1,4}[，。 \n]",
        "\n(- |1\\. |> |# |\\* )\\*\\*[一-龥]{2,5}\\*\\*：",
        "，`[a-z*_]{1,8}`，",
        "，\\[[一-龥]{1,4}\\]\\(https://[a-z]{1,5}\\.example/[a-z_]{0,9}\\)，",
        "[，。 ]__[一-龥]{2,4}__[，。 ]",
        " ~~[一-龥]{2,4}~~ ",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_text_without_marks_is_unchanged(
        lines in prop::collection::vec("[a-z0-9一-龥，。：（）“”!?@%&;\"'/^$\u{1f600}é-][^*_~`#>|\\[\\]<\\\\=\\pC\\p{Zl}\\p{Zp}-]{0,40}-?x", 0..8),
    ) {
        let text = lines.join("\n");
        prop_assert_eq!(plain(&text), text.trim());
    }

    #[test]
    fn values_survive_whatever_stands_around_them(
        pieces in prop::collection::vec((select(KEPT), select(AROUND)), 1..12),
    ) {
        let answer: String = pieces.iter().flat_map(|(kept, around)| [*kept, *around]).collect();
        let said = plain(&answer);
        let mut from = 0;
        for (kept, _) in pieces {
            let at = said[from..].find(kept);
            prop_assert!(at.is_some(), "{} is lost from {:?}: {:?}", kept, answer, said);
            from += at.unwrap_or_default() + kept.len();
        }
        prop_assert!(!said.contains("务必**") && !said.contains("**务必"), "{:?}: {:?}", answer, said);
    }

    #[test]
    fn masks_that_could_be_bold_survive_beside_bold(
        pieces in prop::collection::vec((select(DOUBTFUL), select(BETWEEN)), 1..6),
    ) {
        let answer: String = pieces.iter().flat_map(|(kept, around)| [*kept, *around]).collect();
        let said = plain(&answer);
        let mut from = 0;
        for (kept, _) in pieces {
            let at = said[from..].find(kept);
            prop_assert!(at.is_some(), "{} is lost from {:?}: {:?}", kept, answer, said);
            from += at.unwrap_or_default() + kept.len();
        }
    }

    #[test]
    fn values_of_any_kind_survive_in_any_chinese_text(
        pieces in prop::collection::vec((around(), value()), 1..8),
        end in around(),
    ) {
        let answer = pieces.iter().map(|(around, kept)| format!("{around}{kept}")).collect::<String>() + "，" + &end;
        let said = plain(&answer);
        let mut from = 0;
        for (_, kept) in pieces {
            let at = said[from..].find(&kept);
            prop_assert!(at.is_some(), "{} is lost from {:?}: {:?}", kept, answer, said);
            from += at.unwrap_or_default() + kept.len();
        }
    }

    #[test]
    fn bold_goes_from_chinese_text(
        pieces in prop::collection::vec(
            "[，。；]?[的了请您可内容必带证件天到账点]{0,4}\\*\\*[“《（]?[的了请您可内容必带证件天到账点0-9A-Z]{2,6}[：！。”》）%]?\\*\\*[的了请您可内容必带证件天到账点]{1,4}[，。！\n]",
            1..8,
        ),
    ) {
        let answer = pieces.concat();
        prop_assert!(!plain(&answer).contains('*'), "{:?}: {:?}", answer, plain(&answer));
    }

    #[test]
    fn what_is_plain_is_not_changed_again(
        pieces in prop::collection::vec((select(KEPT), select(&AROUND[..19])), 1..10),
    ) {
        let answer: String = pieces.iter().flat_map(|(kept, around)| [*kept, *around]).collect();
        let said = plain(&answer);
        prop_assert_eq!(plain(&said), said);
    }

    #[test]
    fn no_letter_is_lost(answer in "[*_~`#>|!\\\\ \n\t:：，“”。中王李先生号a1=+.@/-]{0,120}") {
        let letters = |text: &str| text.chars().filter(|sign| sign.is_alphanumeric() && !sign.is_ascii()).collect::<String>();
        prop_assert_eq!(letters(&plain(&answer)), letters(&answer));
    }

    #[test]
    fn never_panics(answer in "[*_~`#>|()<>!\\[\\]\\\\ \n\t:：，“a1中王先生和@/.=+-]{0,120}") {
        plain(&answer);
    }

    #[test]
    fn never_panics_on_any_text(answer in "(?s).{0,200}") {
        plain(&answer);
    }
}

#[test]
fn marks_in_masses_are_read_in_linear_time() {
    let kinds = [
        "*",
        "**a ",
        "**a**b",
        "*_",
        "中**（",
        "[",
        "[a](",
        "![",
        "<",
        "<a ",
        "`",
        "``` ",
        "> ",
        ">",
        "- ",
        "|a|\n|-|\n",
        "\\",
        "\\* ",
        "~~a",
        "\t",
        "# ",
        "[a]: b.c\n[a][a]",
        "https://",
        "***a ",
        "~~~\n",
        "@**a",
        "张**",
        "*1 §1* ",
        "._a§a_-",
        "_a§a_",
        "**1§1**",
        "|a|\n|-|\n\n§<br>",
        "[§](a.b)",
        "<b>§</b>",
        "> §a\n",
        "https://a.b/ §<br>",
    ];
    reads_in_linear_time(&kinds, |text| {
        plain(text);
    });
}
