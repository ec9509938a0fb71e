// What the page says, in each language. Behind `export const WORDS =` stands JSON, so that tests can read it;
// {…} is filled in by words.fill.
export const WORDS = {
  "zh": {
    "lang": "zh-CN", "title": "模拟微信顾客", "name": "昵称", "account": "账号", "accountName": "客服 {number}",
    "other": "换一位顾客", "someone": "小明", "someoneElse": "顾客 {number}",
    "state": "会话", "budget": "剩余条数", "window": "窗口剩余",
    "hours": "{hours} 小时", "closed": "48 小时已过", "log": "聊天记录", "acts": "顾客的操作",
    "enter": "进入会话", "place": "发送位置", "text": "消息", "hint": "说点什么，Enter 发送，Shift+Enter 换行",
    "send": "发送", "recall": "撤回", "recallWhat": "撤回：{text}", "recalled": "已撤回",
    "behind": "幕后：接待人员、时间与统计", "servicer": "接待人员", "take": "接入", "end": "结束会话",
    "replyText": "接待人员的话", "reply": "以接待人员回复", "now": "模拟时间", "day": "+24 小时", "days": "+48 小时",
    "lapse": "发送后立刻过 48 小时", "lapseText": "在吗",
    "lapseHint": "发出的话还没有被回答，48 小时就过去了：Kefu 会把它记为 expired。",
    "empty": "还没有消息。您现在是一位微信顾客，写一句话试试。",
    "states": { "new": "尚未开始", "0": "未处理", "1": "智能助手", "2": "排队等人工", "3": "人工接待", "4": "已结束" },
    "from": { "reply": "客服", "servicer": "接待人员", "customer": "", "system": "" },
    "totals": "回调 {callbacks}（重试 {callback_retries}，放弃 {callbacks_given_up}） · 顾客消息 {customer_messages} · 发送 {sends} · 拉取 {sync_calls}",
    "offline": "连接不上模拟器，它可能已经停止。",
    "trouble": {
      "none": "没有设置回调地址，不会有人知道顾客写了什么。",
      "nobody": "没有人接回调：{url}（{reason}）。kefu run 在那里运行吗？",
      "late": "{url} 没有及时回答（{reason}）。企业微信会断开并重试。",
      "broken": "呼叫 {url} 时连接断开（{reason}）。",
      "status": "{url} 回答了 {status}，企业微信只认 200。",
      "denied": "{url} 回答了 403：两边的 token 和 encoding_aes_key 一致吗？",
      "echo": "{url} 回答的不是解密后的 echostr，那里是 Kefu 吗？"
    },
    "reasons": { "connection refused": "连接被拒绝", "no answer within 1 s": "1 秒内没有回答", "no answer within 5 s": "5 秒内没有回答" },
    "errors": {
      "body": "模拟器看不懂这个请求：{detail}", "refused": "模拟器拒绝了：{detail}",
      "unknown_account": "模拟器没有这个客服账号。", "no_account": "模拟器没有任何客服账号。",
      "invalid_customer_id": "顾客编号只能是 1 到 64 个字母、数字、- 或 _。",
      "unknown_customer": "这位顾客还没有写过消息，也没有进入过会话。",
      "too_many_customers": "模拟器里的顾客太多了，请重新启动模拟器。",
      "unknown_servicer": "模拟器没有这位接待人员。", "unknown_message": "这条消息已经不在聊天记录里。",
      "not_with_servicer": "会话不在接待人员手里，不能由接待人员结束。",
      "advance_too_long": "时间一次最多前进一年。", "callback_url": "这个回调地址不行：{detail}",
      "other": "出错了：{detail}"
    }
  },
  "en": {
    "lang": "en", "title": "Simulated customer", "name": "Name", "account": "Account", "accountName": "Account {number}",
    "other": "New customer", "someone": "Alex", "someoneElse": "Customer {number}",
    "state": "Session", "budget": "Replies left", "window": "Window left",
    "hours": "{hours} h", "closed": "48 hours are over", "log": "Chat", "acts": "What the customer does",
    "enter": "Enter chat", "place": "Send a place", "text": "Message", "hint": "Say something. Enter sends, Shift+Enter breaks the line",
    "send": "Send", "recall": "Recall", "recallWhat": "Recall: {text}", "recalled": "recalled",
    "behind": "Behind the scenes: agents, time, totals", "servicer": "Agent", "take": "Take over", "end": "End session",
    "replyText": "What the agent says", "reply": "Reply as agent", "now": "Simulated time", "day": "+24 h", "days": "+48 h",
    "lapse": "Send, then let 48 h pass", "lapseText": "Anybody there?",
    "lapseHint": "48 hours pass before the message is answered: Kefu marks it as expired.",
    "empty": "No messages yet. You are a WeChat customer now: write something.",
    "states": { "new": "not begun", "0": "unhandled", "1": "assistant", "2": "waiting for an agent", "3": "with an agent", "4": "ended" },
    "from": { "reply": "Service", "servicer": "Agent", "customer": "", "system": "" },
    "totals": "Callbacks {callbacks} (retries {callback_retries}, given up {callbacks_given_up}) · customer messages {customer_messages} · sends {sends} · pulls {sync_calls}",
    "offline": "The simulator cannot be reached; it may have ended.",
    "trouble": {
      "none": "No callback address is set, so nobody learns what the customer writes.",
      "nobody": "Nothing answers the callbacks at {url} ({reason}). Is kefu run there?",
      "late": "{url} did not answer in time ({reason}). WeCom hangs up and calls again.",
      "broken": "The connection to {url} broke ({reason}).",
      "status": "{url} answered {status}, and WeCom takes only 200.",
      "denied": "{url} answered 403: do token and encoding_aes_key agree on both sides?",
      "echo": "{url} answered something else than the decrypted echo. Is Kefu there?"
    },
    "reasons": { "connection refused": "connection refused", "no answer within 1 s": "no answer within 1 s", "no answer within 5 s": "no answer within 5 s" },
    "errors": {
      "body": "The simulator does not understand this request: {detail}", "refused": "The simulator refused: {detail}",
      "unknown_account": "The simulator has no such account.", "no_account": "The simulator has no account at all.",
      "invalid_customer_id": "A customer id is 1 to 64 letters, digits, - or _.",
      "unknown_customer": "This customer has neither written nor entered the chat yet.",
      "too_many_customers": "The simulator holds too many customers; start it again.",
      "unknown_servicer": "The simulator has no such agent.", "unknown_message": "This message is no longer in the chat.",
      "not_with_servicer": "The session is not with an agent, so no agent can end it.",
      "advance_too_long": "Time moves on by a year at most.", "callback_url": "This callback address will not do: {detail}",
      "other": "Something went wrong: {detail}"
    }
  }
};

/** Puts values into the {…} of a text. */
export function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (whole, name) => name in values ? String(values[name]) : whole);
}
