//! Answers with thoughts and calls of tools, and what is said.

use proptest::prelude::*;

use super::*;
use crate::linear::reads_in_linear_time;

#[track_caller]
fn check(answer: &str, expected: &str) {
    assert_eq!(
        without_thoughts(answer, &ThoughtMarks::default()),
        expected,
        "{answer}"
    );
}

#[track_caller]
fn stays(answer: &str) {
    check(answer, answer);
}

#[test]
fn elements_in_any_case_with_attributes() {
    check("<think>the customer is angry</think>\n您好！", "您好！");
    check("<THINK type=\"x\">想</Think >您好", "您好");
    check("<thought>内部想法</thought>退款三天内到账。", "退款三天内到账。");
    check("<seed:think>想</seed:think>好", "好");
    check("<mm:think>想</mm:think>好", "好");
    check(
        "<reasoning>想\n\n想</reasoning>\n好<reflection>再想</reflection>的",
        "好的",
    );
    check("<thinking budget=3>想</thinking><think/>好<think></think>", "好");
    stays("<thinker>不是</thinker>，<threason>，a <b> c");
}

#[test]
fn other_pairs_of_thoughts() {
    check("◁think▷内部想法◁/think▷退款三天内到账。", "退款三天内到账。");
    check("[THINK]想[/THINK]好", "好");
    check("[think]想[/think]好", "好");
    check(
        "<|begin_of_thought|>想<|end_of_thought|><|begin_of_solution|>好<|end_of_solution|>",
        "好",
    );
    check(
        "<|START_THINKING|>想<|END_THINKING|><|START_RESPONSE|>好<|END_RESPONSE|>",
        "好",
    );
    check("<|channel>thought\n想<channel|>好", "好");
    check("<unused94>thought\n想<unused95>好", "好");
    check("&lt;think&gt;想&lt;/think&gt;好", "好");
}

#[test]
fn details_of_thoughts_and_of_answers() {
    check(
        "<details style=\"color:gray\" open> <summary> Thinking... </summary>\n\n我先查一下。\n</details>\n\n退款三天内到账。",
        "退款三天内到账。",
    );
    check(
        "<details type=\"reasoning\" done=\"true\">\n<summary>Thought for 3 s</summary>\n想\n</details>\n好",
        "好",
    );
    check("<DETAILS><SUMMARY>深度思考过程</SUMMARY>想</DETAILS>好", "好");
    check(
        "<details><summary>推理</summary><details><summary>x</summary>y</details>z</details>好",
        "好",
    );
    check("<details><summary>Reasoning</summary>没有结尾", "");
    stays("<details><summary>怎么退款？</summary>在订单页。</details>");
}

#[test]
fn channels() {
    check(
        "<|channel|>analysis<|message|>The user wants a refund.<|end|><|start|>assistant<|channel|>final<|message|>退款三天内到账。",
        "退款三天内到账。",
    );
    check(
        "<|channel|>analysis<|message|>想<|end|><|start|>assistant<|channel|>commentary to=functions.f <|constrain|>json<|message|>{\"a\":1}<|call|><|start|>assistant<|channel|>final<|message|>好<|return|>",
        "好",
    );
    check("<|channel|>final <|constrain|>text<|message|>好<|end|>", "好");
    check("<|channel|>analysis<|message|>没有结尾", "");
    check("<|start|>assistant<|channel|>final<|message|>好", "好");
    check("analysisThe user asks.assistantfinal好的", "好的");
    check("Thinking...\n想\n...done thinking.\n\n好", "好");
    stays("Thinking...\n好");
    stays("analysis of the assistant");
}

#[test]
fn calls_of_tools_as_text() {
    check("好的<tool_call>\n{\"name\":\"f\"}\n</tool_call>", "好的");
    check("<function=f><parameter=a>1</parameter></function>好", "好");
    check("好[TOOL_CALLS][{\"name\":\"f\"}]", "好");
    check("好<|python_tag|>f(x=1)<|eom_id|>", "好");
    check(
        "好<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁call▁end｜><｜tool▁calls▁end｜>的",
        "好的",
    );
    check(
        "好<|tool_calls_section_begin|><|tool_call_begin|>f:0<|tool_call_end|><|tool_calls_section_end|>",
        "好",
    );
    check("<minimax:tool_call>f</minimax:tool_call>好<|tool_call|>[f]", "好");
    check("好</tool_call>的", "好的");
    check("✿FUNCTION✿: f\n✿ARGS✿: {}", "");
}

#[test]
fn an_answer_that_is_nothing_but_a_call() {
    check("{\"name\": \"get_order\", \"arguments\": {\"id\": 1}}", "");
    check("[{\n  \"name\": \"f\",\n  \"parameters\": {}\n}]", "");
    check("```json\n{\"name\":\"f\",\"arguments\":\"{}\"}\n```", "");
    check(
        "<think>想</think>{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{}}}",
        "",
    );
    check("{\"tool_calls\":[{\"name\":\"f\",\"arguments\":{}}]}", "");
    stays("{\"name\": \"张三\", \"age\": 3}");
    stays("参数如下：{\"name\": \"f\", \"arguments\": {}}");
}

#[test]
fn blocks_that_are_not_closed_or_not_opened() {
    check("still thinking</think>好的", "好的");
    check("想</THOUGHT>好", "好");
    check("好的<think>never closed", "好的");
    check("<think>only</think>", "");
    check("<think>一<think>二</think>三</think>好", "好");
    check("<think>用 <think> 标签</think>好", "好");
    check("<think>我要用 `</think>` 结尾</think>好", "好");
    check("<think>一个 ` 反引号</think>好 `x` 的", "好 `x` 的");
    check("<think>```\n没关</think>\n好\n```\nx\n```", "好\n```\nx\n```");
    check("<think>一</think>甲<think>二</think>乙", "甲乙");
    check("想 ` 着\n</think>好 ` 的", "好 ` 的");
}

#[test]
fn a_mark_in_code_is_text() {
    stays("要隐藏思考，请用 `</think>` 结尾，前面是正文。");
    stays("用 `<think>` 开始，`</think>` 结束。");
    stays("例：\n```xml\n<think>\n想\n</think>\n```\n就这样");
    // A longer run that is no fence of its own hides no closing one.
    stays("例：\n```\n<think>\n`````x\n```\n就这样");
    stays("例：\n~~~\n<think>\n~~~~~x\n~~~\n就这样");
    stays("例：\n~~~\n</thinking>\n~~~\n就这样");
    stays("`` `<tool_call>` `` 与 `[TOOL_CALLS]` 与 `◁think▷`");
    stays("`<|im_end|>` 是结束标记");
    check("<think>想</think>用 `</think>` 结尾", "用 `</think>` 结尾");
}

#[test]
fn left_over_marks_of_templates() {
    check("<|im_start|>assistant\n好<|im_end|>", "好");
    check(
        "好<|im_end|>\n<|im_start|>user\n再问<|im_end|>\n<|im_start|>assistant\n再答",
        "好\n\n再答",
    );
    check("好</s>", "好");
    check(
        "<|start_header_id|>assistant<|end_header_id|>\n\n好<|eot_id|>",
        "好",
    );
    check("<start_of_turn>model\n好<end_of_turn>", "好");
    check("好<｜end▁of▁sentence｜>", "好");
    check("<|unknown_1|>好<|some_end|>", "好");
    check("<answer>好</answer>", "好");
    stays("<s>旧</s>价");
}

#[test]
fn marks_of_the_settings() {
    let marks = ThoughtMarks::parse("<plan>…</plan>, 【思考】…【/思考】").unwrap();
    let check = |answer: &str, expected: &str| assert_eq!(without_thoughts(answer, &marks), expected);
    check("<Plan a=1>想</PLAN>好", "好");
    check("【思考】想【/思考】好<think>想</think>的", "好的");
    check("想【/思考】好", "好");
    check("用 `<plan>` 写", "用 `<plan>` 写");
}

#[test]
fn marks_in_masses_are_read_in_linear_time() {
    let kinds = [
        "<think>",
        "</think>",
        "<think></think>",
        "<think>`</think>",
        "<details>",
        "<details><summary>思考",
        "<|channel|>x",
        "<|channel|>analysis",
        "<|im_start|>user",
        "`<think>",
        "``` \n",
        "<",
        "<a ",
        "[",
        "◁",
        "<|user|><|assistant|>",
        "~~~\n`",
        "<|end|>",
        "assistantfinal",
        "<think>§</think>",
        "<details>§</details>",
        "<|user|>§<|assistant|>",
        "```\n§~~~\n",
        "`§`<think>",
        "{\"name\":§}",
    ];
    reads_in_linear_time(&kinds, |text| {
        without_thoughts(text, &ThoughtMarks::default());
    });
}

proptest! {
    #[test]
    fn no_thought_is_said_and_no_answer_is_lost(
        blocks in prop::collection::vec(
            (
                "[。，\n ]{0,2}[一-龥]{1,6}[。，\n ]",
                prop::sample::select(vec![
                    ("<think>", "</think>"), ("<Thinking a=\"1\">\n", "\n</Thinking>"), ("◁think▷", "◁/think▷"),
                    ("<details>\n<summary>思考</summary>", "</details>"), ("[THINK]", "[/THINK]"),
                    ("<tool_call>", "</tool_call>"), ("<function=f>", "</function>"),
                    ("<|channel|>analysis<|message|>", "<|end|>"), ("<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"),
                ]),
                "[a-z `*\n</>|~]{0,40}",
            ),
            1..5,
        ),
    ) {
        let answer: String = blocks
            .iter()
            .map(|(said, (open, close), thought)| format!("{said}{open}SECRET{thought}SECRET{close}"))
            .collect();
        let said = without_thoughts(&answer, &ThoughtMarks::default());
        prop_assert!(!said.contains("SECRET"), "{:?}: {:?}", answer, said);
        for (text, _, _) in blocks {
            prop_assert!(said.contains(text.trim_matches(|sign: char| sign.is_whitespace())), "{:?}: {:?}", answer, said);
        }
    }

    #[test]
    fn never_panics_and_adds_nothing(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "<think>", "</think>", "<details>", "<summary>思考", "</details>", "`", "```\n", "\n", "好", "<|channel|>",
            "analysis", "final", "<|message|>", "<|end|>", "<|im_start|>", "user", "[THINK]", "◁/think▷", "</s>", "~~~",
        ]), 0..30)
    ) {
        let said = without_thoughts(&pieces.concat(), &ThoughtMarks::default());
        prop_assert!(said.len() <= pieces.concat().len());
    }
}
