//! Answers as models write them, and what customers read.

mod laws;

use super::*;

#[track_caller]
fn check(answer: &str, expected: &str) {
    assert_eq!(plain_text(answer, &ThoughtMarks::default()), expected, "{answer}");
}

#[track_caller]
fn stays(answer: &str) {
    check(answer, answer);
}

/// Values with stars in place of what is secret: no star is lost, alone and two in a line.
#[test]
fn masked_values_stay() {
    stays("您的手机号 138****5678 已登记。");
    stays("138****5678，新号 139****1234");
    stays("c******l@g****.com");
    stays("c******l@g****.com 和 d***e@q**.com，或 x**y@b.example 与 z**w@b.example");
    stays("ab***@qq.example，cd***@qq.example");
    stays("***@qq.example，***@163.example");
    stays("身份证 110101********1234 与 320102********5678");
    stays("卡号 6222 **** **** 1234，另一张 6217 **** **** 5678");
    stays("尾号***1234和尾号***5678");
    stays("尾号**34和尾号**56");
    stays("车牌 京A**23B、沪B**88C");
    stays("密码：**，验证码：**");
    stays("密码：******\n******\n****");
    stays("订单 KF-**-A 和 KF-**-B，KF-**1 和 KF-**2");
    stays("138**和139**都可以");
    stays("张**先生和李**女士");
    stays("张**和李**都签收了");
    stays("客户张**和李**，以及王**");
    stays("欧阳**经理，司马**同学");
    stays("小明**（男），小红**（女）");
    stays("**明和**华");
    stays("张*和李*，王*明和李*华");
    stays("*号楼*单元，*小明和*小华");
    stays("收件人：王**（138****5678）、赵**（139****1234）");
    stays("张**：你好，李**：再见");
}

#[test]
fn bold_beside_masked_values_goes() {
    check("张**先生请**务必**带上", "张**先生请务必带上");
    check("138*****678 请**务必**带上", "138*****678 请务必带上");
    check(
        "您的**订单**已发货，电话 138****5678",
        "您的订单已发货，电话 138****5678",
    );
    check(
        "**手机号**：138****5678，**邮箱**：c****l@g**.com",
        "手机号：138****5678，邮箱：c****l@g**.com",
    );
    check("张**和李**请**务必**带上", "张**和李**请务必带上");
    check(
        "**身份证号：**110101********1234，**姓名：**张**",
        "身份证号：110101********1234，姓名：张**",
    );
    check(
        "尾号**34的卡已扣款，**请查收**，余额**99**元",
        "尾号**34的卡已扣款，请查收，余额99元",
    );
    check(
        "李**签收了，请**务必**确认；王**的订单**已取消**",
        "李**签收了，请务必确认；王**的订单已取消",
    );
    check(
        "收货人：李**先生，**地址**：上海市**区**路**号",
        "收货人：李**先生，地址：上海市**区**路**号",
    );
    check("**订单号**：A**B；**金额**：2**10", "订单号：A**B；金额：2**10");
    check(
        "会员：**黄金**；**王**先生，**张**女士",
        "会员：黄金；**王**先生，**张**女士",
    );
}

#[test]
fn sums_codes_names_and_paths_stay() {
    stays("2**10=1024");
    stays("2**10=1024, 3**4=81");
    stays("5*3=15，6*2=12");
    stays("尺寸 3 * 5 * 2，2 ** 3 ** 2");
    stays("型号 A*B*C 与 KF_A_1_B、snake_case_name、_private_1_");
    stays("__init__.py 和 __main__.py");
    stays("__init__ 与 __name__、__pycache__");
    stays("(a+b)**2 和 (c+d)**2，10**-3 和 10**-6，5 *3* 2，(2+3)*4*(5+6)");
    stays("姓名：__电话：__，姓名：___电话：___，姓名：____电话：____");
    stays("姓名：___电话：___地址：___");
    stays("密码：**验证码：**");
    stays("按 *️⃣ 或（*️⃣）、（*️⃣）");
    stays("请看 https://example.com/docs/user__guide__v2.pdf 下载。");
    stays("文件 user__guide__v2.pdf、_readme_.md、a_b_c.txt");
    stays("C:\\my_dir\\_tmp_\\*.txt 和 D:\\_backup_\\**\\x");
    stays("src/**/*.rs 与 test/**/*.ts，/*.log 和 /*.txt");
    stays("*.rs 和 *.md");
    stays("^\\d{3}\\*+$ 与 [a-z]*_[0-9]* 与 .*abc.*");
    stays("f(*args, **kwargs) 与 int *p, *q");
    stays("(*^_^*) ^_^ 好的 ^_^ (>_<) -_- T_T (*_*) (*´▽｀*) o(*￣▽￣*)ブ");
    stays("9:00~~21:00，3~5天，6~8天，周一~~周五，周六~~周日");
    stays("#1 #kf-1 2*3=6 A_1 [未完]( [注](见下文) a[0](x) f[i](j.k)");
    stays("价格 $5*3$，¥99、50%，A & B，a < b > c，x -> y");
    stays("满减：\n> 100 元减 10\n> 200 元减 30\n>90% 好评");
    stays("100\n+ 50\n* 3\n= 150\n-\n#");
    stays("1. 一\n2. 二\n  - 三\n    - 四\n10) 五");
    stays("一\n\n\n二  \n三 \u{3000}四\t五");
    stays("见 `未完 和 **未完 和 ~~未完 和 [未完");
    stays("👨‍👩‍👧‍👦 ❤️ 🏴󠁧󠁢󠁥󠁮󠁧󠁿");
}

#[test]
fn addresses_keep_every_byte() {
    stays("https://a.example/_x_/**y**/~~z~~?a=*b*&c=__d__");
    stays("https://a.example/a_b_ 和 https://a.example/_c_d");
    stays("**官网：https://a.example/x**");
    stays("**邮箱 a@b.example**");
    stays("http://a.example/?x=1&copy=2&lt=3");
    check("<https://a.example/_x_>，请看", "https://a.example/_x_，请看");
    check(
        "**官网**：https://a.example/__x__请点开**这里**",
        "官网：https://a.example/__x__请点开这里",
    );
}

#[test]
fn emphasis_goes() {
    check("**三天内**到账，__重点__，~~旧价~~", "三天内到账，重点，旧价");
    check(
        "请**务必**带上，*斜体*，_斜体_，***都是***",
        "请务必带上，斜体，斜体，都是",
    );
    check("**重点：**内容，**“中文”**标点", "重点：内容，“中文”标点");
    check(
        "**订单号：**20240101，**Price:** 99",
        "订单号：20240101，Price: 99",
    );
    check(
        "到**“中国”**，（**仅限今日**）。**《书》**好",
        "到“中国”，（仅限今日）。《书》好",
    );
    check(
        "**50%**折扣，**(1)**第一步，**¥99**元，共**3天**",
        "50%折扣，(1)第一步，¥99元，共3天",
    );
    check(
        "第一步：**点**这里。**好！**，**是**/**否**",
        "第一步：点这里。好！，是/否",
    );
    check("**A *b* c** and __bold__ and _it_.", "A b c and bold and it.");
    check("**✅ 成功**的订单，**`代码`**也是", "✅ 成功的订单，代码也是");
    check("原价~~99元~~现价79元", "原价99元现价79元");
    check("**第一行\n第二行**", "第一行\n第二行");
    check(
        "满**200**减**30**，**10:00-22:00**营业，**iOS**和**Android**",
        "满200减30，10:00-22:00营业，iOS和Android",
    );
    check(
        "**首先，**您要登录；**其次，**点击退款。",
        "首先，您要登录；其次，点击退款。",
    );
    check(
        "*注：仅供参考*，（*仅限会员*），***重要***：***不要***转账",
        "注：仅供参考，（仅限会员），重要：不要转账",
    );
    check(
        "**逾期**自动取消**（不可恢复）**。**A**/**B**，**C**-**D**：**E**+**F**",
        "逾期自动取消（不可恢复）。A/B，C-D：E+F",
    );
    check(
        "**Step 1:** Open. **Step 2:** Click **\"OK\"**, it's *very* easy.",
        "Step 1: Open. Step 2: Click \"OK\", it's very easy.",
    );
}

#[test]
fn marks_of_lines_go_and_the_text_stays() {
    check(
        "# 退款\n\n\n**三天内**到账，见`订单`页",
        "退款\n\n三天内到账，见订单页",
    );
    check("## 一 ##\n标题\n===\n文", "一\n标题\n文");
    check("* 一\n+ 二\n- 三\n  * 四", "- 一\n- 二\n- 三\n  - 四");
    check("---\n完\n\n***\n\n又完\n\n* * *", "完\n\n又完");
    check("> 引用\n> > 深\n> 完", "引用\n深\n完");
    check("> **引**用\n懒\n\n- > 列", "引用\n懒\n\n- 列");
    check("- [x] 已付\n- [ ] 未付", "- ☑ 已付\n- ☐ 未付");
    check("# 5 号楼", "5 号楼");
}

#[test]
fn code_keeps_its_signs_and_its_indentation() {
    check(
        "```python\ndef f():\n    if x:\n        return 1\n```",
        "def f():\n    if x:\n        return 1",
    );
    check("```json\n{\"a\":1}\n```", "{\"a\":1}");
    check(
        "看：\n```\n**a**\n\n\n\n# b\n> c\n```\n**完**",
        "看：\n**a**\n\n\n\n# b\n> c\n完",
    );
    check(
        "1. 步\n   ```sh\n   ls *_a_*\n     x\n   ```\n2. 二",
        "1. 步\n   ls *_a_*\n     x\n2. 二",
    );
    check("> ```\n> a  b\n> ```\n完", "a  b\n完");
    check("用 `a*b*c` 和 `` `x` `` 与 `__y__`", "用 a*b*c 和 `x` 与 __y__");
    check("```\n没有结尾 **x**", "没有结尾 **x**");
    check("~~~ 好的\n**一**", "~~~ 好的\n一");
    check("``` Please note\na\n```", "Please note\na");
    check("```您好 世界\n**a**\n```", "您好 世界\n**a**");
    check("文\n\n    缩进 **x**\n\n**完**", "文\n\n    缩进 **x**\n\n完");
    check(
        "```\n<br>\\*<https://a.example>\n```",
        "<br>\\*<https://a.example>",
    );
}

#[test]
fn links_show_their_addresses() {
    check(
        "见[帮助](https://example.com/h)。",
        "见帮助 (https://example.com/h)。",
    );
    check(
        "![图](https://example.com/p_a_.png)",
        "图 (https://example.com/p_a_.png)",
    );
    check(
        "[https://a.example](https://a.example) [](https://b.example)",
        "https://a.example https://b.example",
    );
    check(
        "[a@b.example](mailto:a@b.example)，[电话](tel:10086)",
        "a@b.example，电话 (10086)",
    );
    check(
        "**[点这里](https://a.example/b_(c) \"标题\")**查看",
        "点这里 (https://a.example/b_(c))查看",
    );
    check(
        "[文][1] 和 [2]\n\n[1]: https://a.example/x\n[2]: https://b.example",
        "文 (https://a.example/x) 和 [2]\n\n[2]: https://b.example",
    );
    check("[**粗**](/help)，[上](#top)", "粗 (/help)，上");
    check(
        "[![图](https://a.example/i.png)](https://a.example)",
        "图 (https://a.example/i.png) (https://a.example)",
    );
}

#[test]
fn tables_become_lines() {
    check(
        "| 套餐 | 价格 |\n|---|:-:|\n| **标准** | 99 元 |\n| 专业 | |\n\n完",
        "套餐 | 价格\n标准 | 99 元\n专业\n\n完",
    );
    check(
        "价格：\n\n名|价\n-|-\n甲|`a|b`\n乙|1\\|2",
        "价格：\n\n名 | 价\n甲 | `a|b`\n乙 | 1|2",
    );
    check(
        "| a | b |\n|--|--|\n| 一<br>二 | [k](https://a.example) |",
        "a | b\n一 二 | k (https://a.example)",
    );
    check("| a |\n|---|\n| b | c |", "a\nb | c |");
    check(
        "> | a | b |\n> |--|--|\n> | c | 138****5678 |",
        "a | b\nc | 138****5678",
    );
    stays("a | b | c\n1 | 2 | 3");
}

#[test]
fn html_and_escapes() {
    check("一<br>二<br/>\n三<BR />四", "一\n二\n三\n四");
    check(
        "<b>重要</b>，**三天**<span style=\"color:red\">内</span>",
        "重要，三天内",
    );
    check(
        "<details><summary>怎么退款？</summary>\n\n在**订单**页。\n</details>",
        "怎么退款？\n\n在订单页。",
    );
    check("<p>一</p><p>二</p>", "一\n二");
    check("<ul><li>一</li><li>二</li></ul>", "- 一\n- 二");
    stays("标签 <b> 是加粗，<张三> <user@a.example> <script>alert(1)</script> &nbsp; &lt;");
    check(
        "138\\*\\*\\*\\*5678，user\\_name，5\\*3",
        "138****5678，user_name，5*3",
    );
    check("\\# 不是标题", "# 不是标题");
    stays("dir \\*.txt");
}

#[test]
fn invisible_signs_go() {
    check(
        "一\r\n二\r三\u{0}四\u{7}\u{202e}五\u{feff}\u{85}",
        "一\n二\n三四五",
    );
    stays("a\u{200d}b\u{fe0f}\tc");
}
