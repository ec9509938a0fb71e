// The page: one customer and one account, what the customer does, and what stands behind it.

import { WORDS, fill } from "./words.js";
import { chatLines, setText } from "./lines.js";
import { onEnter } from "./enter.js";

const POLL_MS = 700;
/** Replies the API has for one message of the customer. */
const BUDGET = 5;
const PLACE = { latitude: 23.106, longitude: 113.3205, name: "广州国际媒体港", address: "广东省广州市海珠区" };

const $ = id => document.getElementById(id);
const stored = key => { try { return localStorage.getItem("kefu." + key); } catch { return null; } };
const store = (key, value) => { try { localStorage.setItem("kefu." + key, value); } catch { /* private window */ } };
const fresh = () => "wmPage" + Array.from(crypto.getRandomValues(new Uint8Array(10)), b => b.toString(16).padStart(2, "0")).join("");

let language = stored("language") === "en" || stored("language") === "zh" ? stored("language")
  : navigator.language.startsWith("zh") ? "zh" : "en";
// ?customer=ID opens one customer, so that several tabs can be several people.
let customer = new URLSearchParams(location.search).get("customer") || stored("customer") || fresh();
let nickname = stored("name") || WORDS[language].someone;
let about = null, chat = null, met = "", looks = 0, acts = Promise.resolve();

const words = () => WORDS[language];
const account = () => $("account").value;
const path = rest => "/customers/" + encodeURIComponent(customer) + rest;
const showLines = chatLines($("lines"), msgid => act("/recall", { msgid }));

class Refusal extends Error {
  constructor(answer, text) {
    const json = parsed(text);
    super(json?.error || text || answer.statusText);
    this.code = json?.code;
  }
}

function parsed(text) { try { return JSON.parse(text); } catch { return null; } }

async function request(path, body) {
  const options = body === undefined ? {} :
    { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch("/simulator" + path, options);
  const text = await answer.text();
  if (!answer.ok) throw new Refusal(answer, text);
  return text ? JSON.parse(text) : null;
}

function explain(error) {
  if (!(error instanceof Refusal)) return words().offline;
  return fill(words().errors[error.code] ?? words().errors.other, { detail: error.message });
}

/** One after the other, so that messages keep the order in which they were written. */
function inTurn(work, failed) {
  acts = acts.then(async () => {
    try { await work(); setText($("problem"), ""); }
    catch (error) {
      // Who cannot be reached is named above the chat already.
      setText($("problem"), error instanceof Refusal ? explain(error) : "");
      failed?.();
    }
    await look();
  });
  return acts;
}

function act(rest, body, failed) {
  const whose = path(rest), of = account();
  return inTurn(() => request(whose, { account: of, ...body }), failed);
}

/** A simulator that was started again knows nobody. */
async function meet() {
  const who = [about.run, customer, nickname].join(" ");
  if (met === who) return;
  await request(path(""), { name: nickname });
  met = who;
  store("customer", customer);
  store("name", nickname);
}

/** Looks at the simulator once; an answer that was overtaken is thrown away. */
async function look() {
  const number = ++looks;
  try {
    const newest = await request("");
    if (number !== looks) return;
    about = newest;
    offer();
    await meet();
    const [screen, report] = await Promise.all([
      request(path("?account=" + encodeURIComponent(account()))),
      $("behind").open ? request("/report") : null,
    ]);
    if (number !== looks) return;
    chat = screen;
    if (report) setText($("totals"), fill(words().totals, report));
    drawTrouble();
  } catch (error) {
    if (error.code === "unknown_customer") met = "";
    if (number === looks) setText($("trouble"), explain(error));
  }
  draw();
}

async function poll() {
  await look();
  setTimeout(poll, POLL_MS);
}

/** Accounts and agents stand in the lists once the simulator has named them. */
function offer() {
  if ($("account").options.length) return;
  about.accounts.forEach((id, index) => $("account").add(new Option(fill(words().accountName, { number: index + 1 }), id)));
  about.servicers.forEach(id => $("servicer").add(new Option(id, id)));
  if (about.accounts.includes(stored("account"))) $("account").value = stored("account");
}

function drawTrouble() {
  const trouble = about.callback_trouble;
  let text = "";
  if (!about.callback_url) text = words().trouble.none;
  else if (trouble) {
    const code = trouble.status === 403 ? "denied" : trouble.code;
    text = fill(words().trouble[code], { ...trouble, reason: words().reasons[trouble.reason] ?? trouble.reason });
  }
  setText($("trouble"), text);
}

function draw() {
  const begun = !!chat && (chat.last_message_ms !== null || chat.state !== 4);
  const state = words().states[begun ? chat.state : "new"];
  setText($("state"), state + (begun && chat.servicer ? " · " + chat.servicer : ""));
  const written = !!chat && chat.last_message_ms !== null;
  $("budget-fact").hidden = $("window-fact").hidden = !written;
  if (written) {
    const hours = (chat.window_left_ms / 3600000).toFixed(1);
    setText($("budget"), chat.budget_left + " / " + BUDGET);
    setText($("window"), chat.window_left_ms === 0 ? words().closed : fill(words().hours, { hours }));
    $("budget-fact").classList.toggle("low", chat.budget_left === 0);
    $("window-fact").classList.toggle("low", chat.window_left_ms === 0);
  }
  if (about) {
    const now = new Date(about.now_ms);
    setText($("now"), now.toLocaleString(words().lang, { month: "long", day: "numeric", hour: "2-digit", minute: "2-digit" }));
  }
  showLines(chat ? chat.lines : [], chat ? chat.customer + " " + chat.account : "", words());
}

function translate() {
  document.documentElement.lang = words().lang;
  document.title = words().title + " · Kefu";
  for (const element of document.querySelectorAll("[data-text]")) setText(element, words()[element.dataset.text]);
  for (const element of document.querySelectorAll("[data-label]")) element.setAttribute("aria-label", words()[element.dataset.label]);
  for (const element of document.querySelectorAll("[data-hint]")) element.placeholder = words()[element.dataset.hint];
  const other = language === "zh" ? "en" : "zh";
  setText($("language"), other === "zh" ? "中文" : "English");
  $("language").lang = WORDS[other].lang;
  [...$("account").options].forEach((option, index) => { option.text = fill(words().accountName, { number: index + 1 }); });
  setText($("problem"), "");
  if (about) drawTrouble();
  draw();
}

/** Takes the text out of a field; nothing for blanks alone. */
function taken(field) {
  const text = field.value.trim();
  if (text) field.value = "";
  return text;
}

/** What did not get through stands in its field again, before what was written since. */
const backInto = (field, text) => () => { field.value = field.value ? text + "\n" + field.value : text; };

function send() {
  const text = taken($("text"));
  if (text) act("/messages", { text }, backInto($("text"), text));
}

function replyAsServicer() {
  const text = taken($("reply-text"));
  const reply = { servicer: $("servicer").value, act: "reply", text };
  if (text) act("/servicer", reply, backInto($("reply-text"), text));
}

/** The clock moves on before anybody can have answered. */
function lapse() {
  const text = taken($("text")) || words().lapseText, whose = path("/messages"), of = account();
  inTurn(async () => {
    await request(whose, { account: of, text });
    await request("/clock", { advance: "48h" });
  }, backInto($("text"), text));
}

/** The window's visible part, where a keyboard on the screen does not make the window lower. */
function fit() {
  const seen = window.visualViewport;
  if (!seen || 1.01 < seen.scale) return;
  document.documentElement.style.setProperty("--height", Math.round(seen.height) + "px");
  const field = document.activeElement;
  if (field?.closest("footer")) field.scrollIntoView({ block: "nearest" });
}

$("send").onclick = send;
// The text field keeps the focus, and a keyboard on the screen stays.
$("send").onmousedown = event => event.preventDefault();
onEnter($("text"), send);
$("reply").onclick = replyAsServicer;
onEnter($("reply-text"), replyAsServicer);
// Looking at the simulator introduces whoever it does not know yet.
$("name").onchange = () => { nickname = $("name").value.trim() || words().someone; inTurn(() => {}); };
$("account").onchange = () => { store("account", account()); look(); };
$("other").onclick = () => {
  customer = fresh();
  chat = null;
  nickname = fill(words().someoneElse, { number: Math.floor(Math.random() * 900 + 100) });
  $("name").value = nickname;
  draw();
  inTurn(() => {});
};
$("language").onclick = () => { language = language === "zh" ? "en" : "zh"; store("language", language); translate(); };
$("enter").onclick = () => act("/enter_session", { scene: "page" });
$("place").onclick = () => act("/messages", { location: PLACE });
$("take").onclick = () => act("/servicer", { servicer: $("servicer").value, act: "take" });
$("end").onclick = () => act("/servicer", { servicer: $("servicer").value, act: "end" });
$("lapse").onclick = lapse;
for (const button of document.querySelectorAll("[data-advance]")) {
  button.onclick = () => inTurn(() => request("/clock", { advance: button.dataset.advance }));
}
$("behind").ontoggle = look;
window.visualViewport?.addEventListener("resize", fit);
fit();
$("name").value = nickname;
translate();
poll();
