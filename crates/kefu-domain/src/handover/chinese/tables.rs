//! The words by which Chinese requests are read, simplified and folded.

/// Words for a person, whatever else a keyword says around them.
pub(super) const PERSONS: [&str; 2] = ["人工", "真人"];

/// Empty words between a refusal or a wish and the person, longest first where one begins another.
pub(super) const FILLERS: &[&str] = &[
    "你们", "我们", "一下", "一个", "一位", "任何", "什么", "直接", "马上", "立刻", "立即", "赶紧", "尽快",
    "快点", "总是", "老是", "一直", "真的", "客服", "必须", "一定", "给", "帮", "替", "为", "我", "你", "您",
    "咱", "俺", "个", "位", "的", "去", "到", "至", "成", "再", "又", "先", "都", "也", "就", "快", "和",
    "跟", "与", "由", "说", "真", "把", " ",
];
/// Words that want something, directly before the person.
pub(super) const WANTS: &[&str] = &[
    "能不能",
    "可不可以",
    "可以",
    "能否",
    "麻烦",
    "劳烦",
    "请",
    "让",
    "转接",
    "接入",
    "接通",
    "需要",
    "想要",
    "联系",
    "联络",
    "呼叫",
    "请求",
    "申请",
    "进入",
    "连线",
    "连接",
    "召唤",
    "安排",
    "切换",
    "跳转",
    "使用",
    "选择",
    "咨询",
    "拨打",
    "通知",
    "提供",
    "转",
    "接",
    "找",
    "要",
    "用",
    "叫",
    "换",
    "来",
    "想",
    "求",
    "有",
    "派",
    "喊",
    "切",
    "上",
    "打",
    "等",
    "问",
    "聊",
    "选",
    "走",
    "退",
    "回",
    "需",
];
/// Whole words, though they end like empty ones.
pub(super) const STOPS: &[&str] = &["没必要", "没有必要", "为什么", "凭什么", "用不到"];
/// Endings of the text before the person that refuse it.
pub(super) const REFUSALS: &[&str] = &[
    "没必要",
    "没有必要",
    "不同意",
    "不希望",
    "不愿意",
    "不愿",
    "不准",
    "不许",
    "不打扰",
    "不打算",
    "没打算",
    "不考虑",
    "不建议",
    "不喜欢",
    "不接受",
    "不应该",
    "不该",
    "用不着",
    "用不到",
    "讨厌",
    "不是",
    "没有",
    "不必",
    "无需",
    "无须",
    "不",
    "别",
    "勿",
    "没",
    "未",
    "甭",
    "莫",
    "无",
    "非",
];
/// Verbs that end what is there: a question how to do that is still no wish.
pub(super) const ENDINGS: &[&str] = &[
    "取消", "关闭", "关掉", "退出", "结束", "停止", "拒绝", "禁止", "屏蔽",
];
/// Words that end like a refusal and are none.
pub(super) const NOT_REFUSALS: &[&str] = &[
    "除非", "是非", "特别", "分别", "区别", "级别", "个别", "有没", "有无",
];
/// Before a refusal these make it a complaint: 为什么不转人工.
pub(super) const COMPLAINTS: &[&str] = &[
    "怎么",
    "为什么",
    "为啥",
    "为何",
    "咋",
    "凭什么",
    "干嘛",
    "干吗",
    "难道",
    "岂",
    "再不",
    "还不",
    "都不让",
];
/// At the end of a clause they ask, like a question mark.
pub(super) const ASKING: [char; 8] = ['吗', '么', '嘛', '吧', '啊', '呢', '呀', '嗎'];
/// Work, not a person: 纯人工, 材料和人工.
pub(super) const LABOUR: &[&str] = &[
    "招聘", "招", "应聘", "纯", "全", "半", "节省", "能省", "更省", "省下", "节约", "耗", "耗费", "多少",
    "含", "材料", "物料", "耗材", "料和", "料跟", "辅料",
];
/// What may follow a person's word that stands without a wish before it. Anything else makes it a longer word.
pub(super) const MAY_FOLLOW: &str = "客服坐座台热在吗嘛么呢吧啊呀啦哦哈了来帮给接处回解介联办咨聊沟对谢快马立好可能有人请麻我你您哪怎什投退查售转为干咯喂嗨拜急直尽现就都也不没还是呼真支协答应坐赶出说多专顾助小老师入 ";
/// What a service is called behind its person.
pub(super) const TAILS: &[&str] = &[
    "客服",
    "服务",
    "坐席",
    "座席",
    "台",
    "专员",
    "人员",
    "小姐姐",
    "小哥",
    "的",
    "就",
    "暂时",
    "先",
    "那",
    "话",
    " ",
];
/// Opening hours, numbers and meanings: about persons, not for one.
pub(super) const TOPICS: &[&str] = &[
    "几点",
    "上班",
    "下班",
    "工作时间",
    "服务时间",
    "在线时间",
    "营业",
    "周末",
    "节假日",
    "放假",
    "24小时",
    "多少钱",
    "收费",
    "什么时候上",
    "什么时候下",
    "什么时候在",
    "什么时候有",
    "啥时候上",
    "啥时候在",
    "啥时候有",
    "是什么",
    "什么意思",
    "是啥",
    "啥意思",
    "区别",
    "多少",
    "多久",
    "怎么算",
    "怎么计",
    "怎么样",
    "好不好",
];
/// Before a person who is there or not.
pub(super) const TIMES: &[&str] = &[
    "几点",
    "什么时候",
    "啥时候",
    "周末",
    "节假日",
    "24小时",
    "放假",
    "春节",
    "国庆",
];
/// Directly behind the service: a report about it, or its number.
pub(super) const REPORTS: &[&str] = &[
    "电话",
    "微信",
    "邮箱",
    "号码",
    "热线",
    "态度",
    "告诉",
    "答应",
    "承诺",
    "说可以",
    "说不",
    "说要",
    "说会",
    "说我",
    "说过",
];
/// What else one may be talking to.
pub(super) const MACHINES: &[&str] = &[
    "机器", "ai", "自动", "智能", "电脑", "系统", "程序", "bot", "robot", "gpt",
];
