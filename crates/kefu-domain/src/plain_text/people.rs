//! Masked names: `张**先生`, `李**`. Their stars are no bold.

/// What stands behind a masked name, whoever it is.
const TITLES: &[&str] = &[
    "先生", "女士", "小姐", "经理", "同学", "老师", "太太", "夫人", "师傅", "医生", "教授", "律师", "主任",
    "总监", "店长", "老板", "阿姨", "叔叔", "大哥", "大姐", "师姐", "师兄", "女生", "男士", "警官", "护士",
    "校长", "队长",
];

/// The commonest surnames, and the last signs of the double ones.
const SURNAMES: &str = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾萧肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤温康施牛樊葛邢齐易乔伍庞颜倪庄聂章鲁岳翟殷詹申欧耿关兰焦俞左柳甘祝包宁尚符舒阮柯纪梅童凌毕单季裴霍涂苗谷盛曲翁冉骆蓝游辛靳管柴蒙鲍华喻祁蒲房滕屈饶牟艾尤阳穆司卓古吉缪简车项连芦麦褚娄窦戚岑景宫费卜冷晏席卫官徒";

/// What may stand before a surname that stands alone: `客户张**和李**`.
const BEFORE_NAMES: &str = "和与跟及或是给让由叫找为向的请户人主名姓亲爱敬";

/// Whether a title begins here.
pub(super) fn is_before_title(text: &str) -> bool {
    TITLES.iter().any(|title| text.starts_with(title))
}

/// Whether the text ends in a surname.
pub(super) fn is_behind_surname(text: &str) -> bool {
    text.ends_with(|sign| SURNAMES.contains(sign))
}

/// Whether it ends in a surname that is not the end of a longer word.
pub(super) fn is_behind_lone_surname(text: &str) -> bool {
    let mut signs = text.chars().rev();
    let surname = signs.next().is_some_and(|sign| SURNAMES.contains(sign));
    let before = signs.next();
    surname
        && before.is_none_or(|sign| {
            BEFORE_NAMES.contains(sign) || !(sign.is_alphanumeric() || matches!(sign, '*' | '_' | '~'))
        })
}

/// Whether it ends in a surname that is the value of a bold label: `**姓名：**张`.
pub(super) fn is_behind_labelled_surname(text: &str) -> bool {
    let label = text
        .strip_suffix(|sign| SURNAMES.contains(sign))
        .and_then(|rest| rest.strip_suffix("**"));
    label.is_some_and(|label| label.ends_with(['：', ':']))
}
