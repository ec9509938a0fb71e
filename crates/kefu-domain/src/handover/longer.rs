//! Longer words that hold a word of the list and mean something else.

use std::ops::Range;

/// Longer words in lists with commas, simplified and folded. The begin of one is enough: 人工费 is 人工费用, too.
pub(super) const BUILT_IN: [&str; 7] = [
    // Machines and nature.
    "人工智能,人工智慧,人工智障,人工神经,人工大脑,人工生命,人工语言,人工降雨,人工增雨,人工降雪,人工造雪,人工雪,
    人工消雹,人工湖,人工河,人工岛,人工林,人工造林,人工草,人工沙滩,人工瀑布,人工景观,人工礁,人工鱼礁,人工湿地,
    人工气候,人工光,人工补光,人工照明,人工采光,人工通风",
    // Medicine.
    "人工呼吸,人工授,人工受精,人工受孕,人工流产,人工终止,人工破膜,人工周期,人工助孕,人工生殖,人工喂养,人工关节,
    人工髋,人工膝,人工骨,人工椎,人工心脏,人工心瓣,人工肺,人工肝,人工肾,人工胰,人工瓣,人工血,人工皮,人工晶,
    人工泪,人工耳蜗,人工角膜,人工牙,人工植,人工种,人工鼻,人工肛,人工器官,人工假体,人工免疫,人工按压",
    // Goods and how they are made.
    "人工钻,人工宝石,人工水晶,人工翡翠,人工珍珠,人工琥珀,人工合成,人工制,人工香,人工色素,人工甜味,人工糖,人工添加,
    人工培,人工养,人工饲,人工繁,人工孵,人工栽,人工采,人工挑,人工拣,人工分拣,人工打包,人工缝,人工绣,人工雕,
    人工打磨,人工印,人工染,人工织,人工编,人工刺绣,人工石,人工革,人工毛,人工发丝",
    // Work, its price and its places.
    "人工费,人工服务费,人工客服费,人工客服系统,人工客服软件,人工客服岗,人工价,人工单价,人工成本,人工开支,人工支出,人工预算,人工定额,人工工,人工时长,人工时薪,人工薪,人工补贴,
    人工搬,人工安装,人工拆,人工打扫,人工清洗,人工清洁,人工洗,人工保洁,人工挖,人工翻译,人工校对,人工标注,人工质检,人工测,人工抽,人工驾驶,人工售票,人工值机,人工窗口,人工柜,人工收费,人工通道,
    人工缴费,人工安检,人工录入,人工输入,人工识别,人工评,人工阅卷,人工批改,人工打分,人工刷,
    人工点赞,人工分拣",
    // 真人, and what begins like 叫个人来.
    "真人秀,真人版,真人cs,真人cos,真人图,真人照,真人拍,真人模,真人试,真人实,真人出镜,真人动漫,真人电影,真人剧,真人漫,真人发丝,
    真人发套,真人头发,真人手办,真人大小,真人等身,真人快打,真人演,真人配音,真人比例,真人娃娃,真人玩偶,真人一样,真人认证,
    真人验证,真人发声,真人原声,真人性,真人品,真人游戏,真人麻将,真人娱乐,真人荷官,真人真事,认真人,天真人,较真人,像真人,
    仿真人,成真人,个人来源,个人来访,个人来电",
    // Human.
    "human right,human resource,human beings,human nature,human hair,human body,human bodies,human error,human race,
    human history,human verification,human anatomy,human traffic,human readable,human factor,human genome,human capital,
    human made,human size,human like,human kind,human friendly,human touch,human skin,human eye,human brain,human cell,
    human medicine,human consumption,human grade,human use,human life,human language,human society,human civili,
    human papilloma,human immuno,human growth,human design,human computer,human cent,human generated,human written,
    human trial,human development,human relation,human behavio,human interest,non human,half human,super human",
    // Real person.
    "real person photo,real person model",
];

/// What stands before 人 where 人 ends a word, as in 工人工资 and 机器人工程.
const BEFORE: &str = "无个工本客别老商军女男没有真器法成病疾主私路外家亲友名他某何新熟盲哑责办投理选纪持护监众每招雇一二两三四五六七八九十百千万几多少";
/// What stands behind 工 where 工 begins a word: 工程, 工地, 工具.
const BEHIND: &str = "地具程商业号位艺种期装友序";
/// The same, of words that no request goes on with, whatever stands before: 工作, 工资, 工厂.
const BEHIND_ANY: &str = "作资厂龄伤匠薪牌";
/// Who is moved to 人工 means a person even then.
const MOVED: &str = "转接到至";

/// Whether 人工 at this place is the end of one word and the begin of the next.
pub(super) fn straddles(text: &str, place: &Range<usize>) -> bool {
    let before = text[..place.start].chars().next_back();
    let behind = text[place.end..].chars().next();
    let stands_before = |list: &str| before.is_some_and(|character| list.contains(character));
    let stands_behind = |list: &str| behind.is_some_and(|character| list.contains(character));
    text[place.clone()] == *"人工"
        && ((stands_before(BEFORE) && stands_behind(BEHIND))
            || (stands_behind(BEHIND_ANY) && !stands_before(MOVED)))
}
