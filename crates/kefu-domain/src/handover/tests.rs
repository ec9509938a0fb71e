use proptest::prelude::*;

use super::*;
use crate::linear::reads_in_linear_time;

/// Those of the reference.
const KEYWORDS: &str = "人工,转人工,真人,转客服,叫个人来,换个人来,找个人来,human,real person,live agent";

fn hits(text: &str, matching: HandoverMatch) -> bool {
    HandoverKeywords::parse(KEYWORDS, "", matching).hit(text)
}

#[track_caller]
fn check(texts: &str, expected: bool) {
    let wrong: Vec<_> = texts
        .split('|')
        .map(str::trim)
        .filter(|text| hits(text, HandoverMatch::Intent) != expected)
        .collect();
    assert!(wrong.is_empty(), "should be {expected}: {wrong:?}");
}

#[test]
fn who_asks_for_a_person_is_heard() {
    check(
        "人工 | 转人工 | 人工客服 | 我要人工 | 找人工 | 接人工 | 人工服务 | 真人 | 叫个人来 | 人工人工 |
        人工！！！ | 🙏🙏人工🙏 | 转人工，谢谢 | 请帮我转人工客服 | 麻烦转接到人工 | 我想和真人聊 |
        换真人来 | 能不能转人工 | 可以转人工吗？ | 有没有人工客服 | 有人工吗 | 怎么转人工？ |
        如何联系人工 | 人工在吗 | 人工呢？ | 让人工来处理 | 这个问题太复杂了，麻烦人工看一下 |
        机器人听不懂，人工 | 我特别需要人工 | 转 人 工 | 转！人！工！ | 居然没有人工 | 你们没有人工客服 | 现在有人工吗 | 人工入口在哪 | 轉人工 | 請幫我轉人工客服 | 【转人工】 | “人工” |
        转人工!!!快点 | 投诉！转人工 | 是不是要转人工才能退 | 要不要人工帮我看看 | 我要的是人工 |
        人工帮我查一下订单 | 人工智能听不懂，转人工 | 我要退款转人工 | 订单号12345人工 | 你好 人工 |
        人工 退款 | 申请人工介入 | 不好意思转人工 | 愿不愿意转人工 | 除非人工来处理 | 转人工业务办理 | 有人工服务吗 | 我要和人工商量一下 | 没用，转人工 | 没收到货人工 | 请求人工 | 转真人客服 |
        机器人没用转人工 | 没有用转人工 | 没用转客服 | 钱还没退转人工 | 快递没到转人工 | 商家没回我转人工 |
        电话没接通转人工 | 没找到转人工 | 请人工核实一下我的账号 | 麻烦人工检查一下订单 | 需要人工审核 | 能不能人工操作退款",
        true,
    );
}

#[test]
fn longer_words_ask_for_nobody() {
    check(
        "人工智能是什么？ | 人工费多少 | 人工费用怎么算 | 今天有人工降雨吗 | 人工湖在哪里 | 学习人工呼吸 |
        人工成本太高 | 手工制作吗 | 无人工厂 | 工人工资怎么发 | 个人工作室可以开票吗 | 机器人工程师 |
        人工草坪一平米多少钱 | 要人工钻石 | 找人工智能专业的书 | 人工晶体手术 | 人工授精 | 人工流产套餐 | 人工审核要多久 |
        有真人图吗 | 真人版好看吗 | 真人秀 | 认真人 | 纯人工制作的 | 需要多少人工 | 包含人工吗 | 包人工吗 | 修手机人工多少 | 真人cos |
        人工骨料 | 人工养殖的虾 | 人工翻译多少钱一千字 | 人工服务费怎么收 | 招聘人工客服吗 | 需要人工授粉 | 没人工作吗 |
        真人工作室 | 非人工饲养 | 请人工资多少 | 轉人工智慧 | 材料和人工分开算",
        false,
    );
}

#[test]
fn who_refuses_a_person_keeps_the_machine() {
    check(
        "不要人工 | 不用转人工，谢谢 | 不需要人工 | 别转人工 | 我没说要人工 | 不要给我转人工 |
        请别转人工了 | 无需人工客服 | 没必要找人工 | 不想和人工聊 | 先不转人工 | 还不需要人工 | 暂时不用人工 |
        不必转人工 | 我不是要人工 | 谁说要人工了 | 为什么要转人工 | 怎么又转人工 | 取消转人工 |
        怎么退出人工 | 人工就不用了 | 人工不需要，谢谢 | 人工？不用了 | 转人工，算了 | 不要 人工 |
        並不需要人工 | 没让你转人工 | 不用麻烦人工了 | 不用真人 | 我不同意转人工 |
        不希望转人工 | 不愿意转人工 | 不许转人工 | 没打算转人工 | 没用人工 | 用不着人工 | 不打扰人工了 | 讨厌人工 | no human please |
        don't transfer me to a human | do not get me a human | not a human | I don’t want a human |
        please do not connect me to a real person | human not needed | human intervention not needed | you don't need to get a human |
        not necessary to connect me to a human | a human? no thanks |
        never a human again",
        false,
    );
}

#[test]
fn what_is_refused_in_one_breath_may_be_wished_in_the_next() {
    check(
        "我不要机器人，我要人工 | 不要人工智能，要真人 | 不要机器人我要人工 | 不要自动回复转人工 |
        不用机器人用人工 | 不要机器人要人工 | 不行，转人工 | 解决不了转人工 | 找不到订单转人工 |
        联系不上人工 | 进不去转人工 | 怎么还不转人工 | 为什么不给我转人工 | 再不转人工我就投诉 |
        不转人工不行 | 没有人工吗 | 没有人工客服？ | 你们不给我转人工 | 算了，转人工 | 不用了，给我人工 |
        人工，不要机器人 | 你不是人工，给我转人工 | I don't want a bot, I want a human |
        i don't want a bot i want a human | no, a human please | no i want a human |
        not a bot but a human | why can't I talk to a human | why don't you get me a human |
        is there no human here? | isn't there a human I can talk to |
        if you don't give me a human I leave",
        true,
    );
}

/// Who they are, when they work and what they said: the model or a rule answers that.
#[test]
fn who_asks_about_persons_is_not_handed_over() {
    check(
        "你是人工还是机器人 | 你是人工智能吗 | 你是真人吗 | 是人工吗？ | 是不是真人 | 真人吗？ |
        人工还是机器人？ | 现在回复我的是人工吗 | 人工客服几点上班？ | 人工什么时候上班 |
        人工客服电话是多少 | 人工服务时间 | 什么时候有人工？ | 周末有人工客服吗 | 人工客服微信是多少 | 人工退款要多久 | 人工是什么意思 | 人工客服说可以退 | 人工客服态度怎么样 |
        人工答应我的赔偿 | 你不是人工吧 | 人工周末上班吗 | are you a human | Are you human or a bot? |
        is this a real person | you are not human | am I talking to a human | r u human | i am human |
        a human told me yesterday | bot or human? | why would I need a human | human support hours | it's not a human",
        false,
    );
}

#[test]
fn english_words_are_whole() {
    check(
        "human rights | human beings need water | what is a human being made of | humanity | inhuman | humane treatment | human-readable | human hair wig |
        human resources | superhuman | posthumanism | the human body |
        is this cream tested on human skin | human error | what does human trafficking mean |
        humanoid robot | human evolution | human milk | Human League album | human vs machine | cats and human interaction in old books",
        false,
    );
    check(
        "I want a human | talk to a human | human! | HUMAN | human please | ｈｕｍａｎ | a real human now |
        can I speak with humans | let me talk to a human being | human support please | human help | agent human | I said human | hello human | get me a REAL PERSON | live agent | 转human |
        Could you connect me to a live agent? | I'd like to chat with a real person | where is the human |
        please, human | human human human | I would rather talk to a human |
        your bot is useless give me a human | is a human available? | human available? | is a real person online |
        not working human please | this is not working human please | no response transfer me to a human | I don't understand human please",
        true,
    );
}

#[test]
fn words_of_ones_own_know_refusal_and_longer_words() {
    let keywords = HandoverKeywords::parse(
        "投诉，找经理、supervisor,c.s.,T-1",
        "投诉电话,经理人",
        HandoverMatch::Intent,
    );
    for (text, expected) in [
        ("我要投诉", true),
        ("投诉", true),
        ("不是投诉", false),
        ("不投诉了", false),
        ("投诉电话是多少", false),
        ("找经理", true),
        ("别找经理", false),
        ("找经理人", false),
        ("投诉电话打不通，我要投诉", true),
        ("get me your supervisor", true),
        ("supervisory board", false),
        ("人工", false),
        ("C.S.!", true),
        ("t-1 now", true),
    ] {
        assert_eq!(keywords.hit(text), expected, "{text}");
    }
}

#[test]
fn each_way_of_matching_takes_more_than_the_one_before() {
    for (text, expected) in [
        ("转人工", [true, true, true]),
        ("不要人工", [false, true, true]),
        ("你是人工吗", [false, true, true]),
        ("人工智能", [false, false, true]),
        ("inhuman", [false, false, true]),
        ("你好", [false, false, false]),
    ] {
        let ways = [
            HandoverMatch::Intent,
            HandoverMatch::Word,
            HandoverMatch::Contains,
        ];
        assert_eq!(ways.map(|way| hits(text, way)), expected, "{text}");
    }
    assert_eq!(HandoverMatch::parse("word"), Ok(HandoverMatch::Word));
    assert_eq!(HandoverMatch::parse("Intent"), Err(InvalidMatch));
}

#[test]
fn a_text_without_an_end_is_read_in_linear_time() {
    let kinds = [
        "不要人工",
        "人工智能",
        "not human ",
        "人",
        "no ",
        "不",
        "转",
        "转人工，",
        "不§人工",
        "人工§费",
        "no §human ",
    ];
    reads_in_linear_time(&kinds, |text| {
        hits(text, HandoverMatch::Intent);
    });
}

#[test]
fn no_keywords_never_hit_and_short_ones_are_named() {
    assert!(!HandoverKeywords::default().hit("人工"));
    let keywords = HandoverKeywords::parse("人,ok,转人工,human,op", "", HandoverMatch::Intent);
    assert_eq!(keywords.short_words().collect::<Vec<_>>(), ["人", "ok", "op"]);
}

/// Pieces of which requests are made, in any order.
fn piece() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "人工",
        "真人",
        "转",
        "不",
        "要",
        "不用",
        "吗",
        "？",
        "，",
        " ",
        "是",
        "没有",
        "human",
        "not",
        " a ",
        "i ",
        "智能",
        "别",
        "客服",
        "就",
        "算了",
        "\u{200d}",
        "🙏",
        "'",
        "”",
        "的",
        "还是",
        "机器人",
    ])
}

proptest! {
    #[test]
    fn a_text_without_a_keyword_never_hits(text in "\\PC{0,80}") {
        let folded = fold(&simplified(&text));
        let has_one = KEYWORDS.split(',').any(|word| folded.contains(word));
        // Characters apart, quoted or joined by hyphens may become a keyword; nothing else may.
        let letters: String = folded.chars().filter(|c| c.is_alphanumeric()).collect();
        let hidden = KEYWORDS.split(',').any(|word| letters.contains(&word.replace(' ', "")));
        prop_assert!(has_one || hidden || !hits(&text, HandoverMatch::Intent));
        prop_assert!(has_one || !hits(&text, HandoverMatch::Contains));
    }

    #[test]
    fn a_wish_is_a_word_and_a_word_is_contained(pieces in prop::collection::vec(piece(), 0..8)) {
        let text = pieces.concat();
        // Joined characters (转 人 工) are read as one word by the first way alone.
        if hits(&text, HandoverMatch::Word) {
            prop_assert!(hits(&text, HandoverMatch::Contains), "{text}");
        }
        if hits(&text, HandoverMatch::Intent) && !text.contains([' ', '\u{200d}', '”']) {
            prop_assert!(hits(&text, HandoverMatch::Word), "{text}");
        }
    }

    #[test]
    fn what_stands_in_another_sentence_changes_nothing(before in "[a-m]{0,12}", after in "[甲-癸]{0,6}") {
        let text = format!("{before}。转人工。{after}");
        prop_assert!(hits(&text, HandoverMatch::Intent));
        let text = format!("{before}。人工智能。{after}");
        prop_assert!(!hits(&text, HandoverMatch::Intent));
    }
}
