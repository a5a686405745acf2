// The page: what the engine is at in one sentence, then the numbers. Text is set as text only: names are foreign.
import { draw as line } from "./chart.js";
import { Live, ask, patient, takeToken } from "./talk.js";
import { actions, age, clock, el, linked, money, newKey, percent, showWhy, signed } from "./act.js";

const $ = id => document.getElementById(id);
const DAY = 86400e3, MOST_EVENTS = 60, MOST_POINTS = 3000, MOST_ROWS = 100;
const WORDS = { unreachable: "unreachable", auth: "login refused", rate_limited: "asked too often", transient: "fails for the moment", shape: "answer not understood", never_reported: "nothing reported yet", refused: "refused", unknown: "unknown trouble" };
let hello = null, state = null, arrived = 0, way = "", said = 0, sentence = "", version = "";
let times = [], rates = [], never = [], moves = [], events = [];
const token = takeToken();

// Now by the engine's clock, which may be a simulated one.
const now = () => state && state.at ? Date.parse(state.at) + (Date.now() - arrived) : Date.now();

const live = new Live({
  denied: login,
  way: text => { way = text; },
  frame: frame => {
    if (frame.t === "hello") greeted(frame);
    else if (frame.t === "state") { const first = !state; state = frame; arrived = Date.now(); follow(frame); draw(); if (first) linked(); }
    else if (frame.t === "event") happened([frame]);
    tick();
  },
});

function login() {
  live.close();
  $("headline").textContent = token.has() ? "This token is not accepted" : "A token opens this page";
  for (const id of ["compared", "reason", "inputs", "grave"]) $(id).textContent = "";
  $("acts").replaceChildren();
  $("login").hidden = false;
  $("token").focus();
}

$("login").addEventListener("submit", event => { event.preventDefault(); token.set($("token").value); $("login").hidden = true; begin(); });

async function begin() {
  try { await ask("v1"); } catch (error) {
    if (error.status === 401 || error.status === 403) return login();
    $("headline").textContent = "No answer from the engine";
    $("compared").textContent = error.detail;
  }
  live.begin();
}

async function greeted(frame) {
  const again = hello && hello.epoch === frame.epoch && !frame.gap;
  if (version && version !== frame.version) { $("action").textContent = "The engine has another version now: load this page again."; }
  version = version || frame.version;
  hello = frame;
  if (again) return;
  const [listed, trends] = await Promise.all([ask("v1/events?limit=40").catch(() => null), patient("v1/trends?hours=24").catch(() => null)]);
  if (listed) { events = []; happened(listed.items.slice().reverse()); for (const each of listed.items) live.event = Math.max(live.event, each.seq); }
  if (trends) remember(trends.items);
  report();
}

// Points of the chart: what the server kept, then what each frame brings.
function remember(points) {
  const kept = points.map(p => [Date.parse(p.at) / 1e3, p.mean, p.never_moving]);
  const first = times.length ? times[0] : Infinity;
  const before = kept.filter(([at]) => at < first);
  times = [...before.map(p => p[0]), ...times];
  rates = [...before.map(p => p[1]), ...rates];
  never = [...before.map(p => p[2]), ...never];
  chart();
}

function follow(s) {
  if (!s.at) return;
  const at = Date.parse(s.at) / 1e3;
  if (times.length && at <= times.at(-1)) return;
  times.push(at); rates.push(s.total); never.push(s.never_moving);
  while (times.length > MOST_POINTS || (times.length > 2 && times[0] < at - DAY / 1e3)) { times.shift(); rates.shift(); never.shift(); }
}

function happened(list) {
  for (const each of list) {
    if (each.fields && asks(each.fields.key)) continue;
    events = events.filter(e => e.seq !== each.seq);
    events.unshift(each);
    if (each.kind === "move") moves = [...new Set([...moves, Date.parse(each.at) / 1e3])];
  }
  events.sort((a, b) => b.seq - a.seq).splice(MOST_EVENTS);
  $("events").replaceChildren(...events.map(each => {
    const plan = each.fields && each.fields.plan_id;
    return el("li", { class: each.level >= 30 ? "warn" : "" }, el("time", { datetime: each.at }, clock(each.at, now())), arrows(each.text),
      plan && el("button", { class: "link", type: "button", "aria-label": "Why: " + each.text.slice(0, 60), onclick: () => showWhy(plan) }, "why"));
  }));
  lastMove();
}

function draw() {
  const s = state, verdict = $("verdict");
  $("mode").textContent = s.mode;
  verdict.className = s.verdict.condition;
  const [first, ...rest] = s.verdict.text.split(/(?<=[.!?]) (?=[A-Z])/);
  const head = s.verdict.condition === "halted" || s.verdict.condition === "blind" ? s.verdict.text : [first, ...rest.slice(0, 1)].join(" ");
  $("headline").textContent = head;
  $("compared").textContent = compared(s);
  $("inputs").textContent = rest.slice(1).join(" ");
  const grave = s.alerts_open.filter(a => a.severity >= 0.8 && !a.acknowledged && a.key !== "halted");
  $("grave").textContent = grave.length ? (grave.length === 1 ? "" : grave.length + " alerts. ") + grave[0].message : "";
  lastMove(); rows(s); bar(s); alerts(s); permission(s); chart();
  actions(s, hello, live, moves.length > 0);
  document.title = `${s.total == null ? "?" : money(s.total)} USD/h · reallot`;
  announce(head);
}

// To those who listen: the sentence where it changed, not its numbers, and at most one in ten seconds.
function announce(text) {
  const plain = text.replace(/[-+]?[0-9][0-9.:,]*/g, "#");
  if (plain === sentence || Date.now() - said < 10e3) return;
  sentence = plain; said = Date.now();
  $("told").textContent = text;
}

function compared(s) {
  if (s.total == null || s.never_moving == null) return "";
  const more = s.total - s.never_moving;
  if (Math.abs(more) < 0.03 * Math.abs(s.total)) return "That is about what it would earn if nothing had ever been moved (simulated).";
  return `That is ${money(Math.abs(more))} USD/h ${more > 0 ? "more" : "less"} than if nothing had ever been moved (simulated).`;
}

function waits(w) {
  const ways = Object.entries(w.moves).sort((a, b) => a[1] - b[1]).map(([name, by]) => `${name} ${by < 0 ? "gives" : "takes"} ${percent(Math.abs(by))}`);
  const sure = w.confidence == null ? "" : ` Such plans pay ${Math.round(10 * w.confidence)} times in 10.`;
  const until = w.until ? ` Good for ${age(Date.parse(w.until) - now())}.` : "";
  return `${ways.join(", ")}, for ${money(w.cost)} USD; worth ${money(w.net_benefit)} USD over ${w.horizon_hours} h.${sure}${until}`;
}

function lastMove() {
  if (!state) return;
  const last = events.find(e => ["move", "rolled_back", "rollback"].includes(e.kind));
  const told = last ? `Last: ${clock(last.at, now())}, ${arrows(last.text)}.` : "Nothing was moved lately.";
  $("reason").textContent = state.waiting ? waits(state.waiting) : told.replace(/\.\.$/, ".");
}

// The engine also raises an alert for a plan that waits: the headline says it already.
const asks = key => String(key).startsWith("confirm-");
const arrows = text => text.replaceAll(" -> ", " → ");
const swatch = i => `c${i % 8} f${Math.floor(i / 8 + i) % 4}`;

function rows(s) {
  const planned = s.waiting ? s.waiting.allocation : s.wanted && !s.acted ? Object.fromEntries(s.names.map((n, i) => [n, s.plan[i]])) : {};
  const order = s.names.map((_, i) => i).sort((a, b) => (s.share[b] || 0) - (s.share[a] || 0));
  $("rows").replaceChildren(...order.slice(0, MOST_ROWS).map(i => {
    const name = s.names[i], share = s.share[i], to = planned[name], by = to == null || share == null ? 0 : to - share;
    const notes = [];
    if (s.up[i] === false) notes.push(["bad", "no answer" + (s.error[i] ? ": " + (WORDS[s.error[i]] || s.error[i]) : "")]);
    if (s.age[i] > 0) notes.push(["warn", "value " + age(1e3 * s.age[i]) + " old"]);
    if (s.frozen[name]) notes.push(["bad", s.frozen[name]]);
    if (s.rests[i]) notes.push(["mut", "rests " + age(Date.parse(s.rests[i]) - now())]);
    const head = el("th", { scope: "row" }, el("span", { class: "dot " + swatch(i), "aria-hidden": "true" }), name, ...notes.map(([c, t]) => el("span", { class: c }, t)));
    const plan = Math.abs(by) < 5e-4 ? el("td", { class: "n mut" }, "stays") : el("td", { class: "n " + (by > 0 ? "good" : "warn") }, (by > 0 ? "▲ " : "▼ ") + percent(to));
    return el("tr", {}, head, el("td", { class: "n" }, share == null ? "?" : percent(share)), plan, el("td", { class: "n" }, s.earn[i] == null ? "?" : money(s.earn[i])));
  }));
  $("capacity").classList.toggle("noplan", !Object.keys(planned).length);
  $("more").textContent = s.names.length > MOST_ROWS ? `and ${s.names.length - MOST_ROWS} more protocols with smaller shares` : "";
}

function bar(s) {
  const held = s.names.map((name, i) => [name, s.share[i] || 0, i]).filter(p => p[1] > 0).sort((a, b) => b[1] - a[1]);
  const parts = $("bar");
  if (parts.children.length !== held.length) parts.replaceChildren(...held.map(() => el("i")));
  held.forEach(([name, share, i], k) => {
    const part = parts.children[k];
    part.className = swatch(i); part.title = name; part.style.width = 100 * share + "%";
  });
  const idle = 1 - held.reduce((sum, p) => sum + p[1], 0);
  parts.setAttribute("aria-label", held.map(p => `${p[0]} ${percent(p[1])}`).join(", ") + (idle > 5e-4 ? `, idle ${percent(idle)}` : ""));
}

function alerts(s) {
  const list = $("alerts"), open = s.alerts_open.filter(a => !asks(a.key));
  if (!open.length) return list.replaceChildren(el("li", { class: "mut" }, "None."));
  const act = hello && hello.you.scope === "act";
  list.replaceChildren(...open.map(a => el("li", { class: a.severity >= 0.8 ? "bad" : a.severity >= 0.6 ? "warn" : "" },
    el("time", { datetime: a.at }, clock(a.at, now())), a.message, a.acknowledged ? el("span", { class: "mut" }, " seen") : "", a.muted_until ? el("span", { class: "mut" }, " muted until " + clock(a.muted_until, now())) : "",
    act && el("span", {}, !a.acknowledged && quick("seen", "acknowledge", a), !a.muted_until && quick("mute 1 h", "mute", a, 1), !a.muted_until && quick("mute 1 day", "mute", a, 24)))));
}

function quick(text, kind, a, hours) {
  const body = { kind, alert: a.key, ...(hours ? { until: new Date(now() + hours * 3600e3).toISOString() } : {}) };
  const press = async event => {
    event.target.disabled = true;
    try { await ask("v1/actions", { method: "POST", body, headers: { "Idempotency-Key": newKey(), "Reallot-Via": "page" } }); } catch (error) { $("action").textContent = error.detail; }
  };
  return el("button", { class: "link", type: "button", "aria-label": `${text}: ${a.message.slice(0, 60)}`, onclick: press }, text);
}

function permission(s) {
  const b = s.blocked;
  $("permission").textContent = !b ? "Yes: nothing holds a plan back now." : `Not now: ${b.reason}${b.until ? ` (${age(Date.parse(b.until) - now())} more)` : ""}.`;
  $("permission").className = b ? "warn" : "good";
  $("rests").replaceChildren(...s.names.map((name, i) => [name, s.rests[i]]).filter(p => p[1]).map(([name, until]) => el("li", {}, `${name} rests until ${clock(until, now())} (${age(Date.parse(until) - now())})`)));
}

function chart() {
  const known = rates.filter(r => r != null);
  if (known.length < 2) { $("summary").textContent = "The line begins with the second poll."; return; }
  const label = (t, whole) => whole ? clock(1e3 * t, now()) : new Date(1e3 * t).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });
  line($("chart"), { times, rates, never, moves }, money, label);
  const compares = never.filter(v => v != null).length > 1, marked = moves.some(t => t >= times[0]);
  $("summary").textContent = `Now ${money(known.at(-1))}, lowest ${money(Math.min(...known))}, highest ${money(Math.max(...known))} USD/h.${compares ? " Dashed: had nothing ever been moved (simulated)." : ""}${marked ? " ▲ marks moves." : ""}`;
  if (!chart.table || Date.now() - chart.table > 60e3) { chart.table = Date.now(); hours(); }
}
new ResizeObserver(() => chart()).observe($("chart"));

function hours() {
  const by = new Map();
  times.forEach((t, i) => { if (rates[i] != null) { const h = Math.floor(t / 3600) * 3600; by.set(h, [...(by.get(h) || []), rates[i]]); } });
  $("hours").tBodies[0].replaceChildren(...[...by].reverse().slice(0, 25).map(([h, v]) => el("tr", {}, el("th", { scope: "row" }, clock(1e3 * h, now())), el("td", { class: "n" }, money(v.reduce((a, b) => a + b) / v.length)))));
}

async function report() {
  const pressed = document.querySelector("[data-days][aria-pressed=true]"), turn = report.turn = {};
  const end = new Date(now()), start = new Date(now() - Number(pressed.dataset.days) * DAY);
  const told = await patient(`v1/reports?start=${encodeURIComponent(start.toISOString())}&end=${encodeURIComponent(end.toISOString())}`, { wait: 5 }).catch(error => ({ trouble: error.detail }));
  if (turn !== report.turn) return; // another period was asked for since
  if (told.trouble) { $("report").textContent = told.trouble; return; }
  const judged = told.moves.filter(m => m.measured != null);
  const sum = key => judged.reduce((total, m) => total + m[key], 0);
  const moved = `${told.reallocations} ${told.reallocations === 1 ? "move" : "moves"}, ${told.rollbacks} put back`;
  $("report").textContent = `Earned ${money(told.total_earnings)} USD, moving cost ${money(told.total_cost)}, net ${money(told.net_earnings)} USD. ${moved}.`
    + (judged.length ? ` Of ${judged.length} moves that can be judged: ${signed(sum("predicted"))} USD/h predicted, ${signed(sum("measured"))} measured.` : "");
}

for (const button of document.querySelectorAll("[data-days]")) button.addEventListener("click", () => {
  for (const each of document.querySelectorAll("[data-days]")) each.setAttribute("aria-pressed", String(each === button));
  $("report").textContent = "Reading …";
  report();
});

function tick() {
  const seconds = Math.round((Date.now() - live.last) / 1e3), text = $("live");
  if (!live.last) return;
  const read = state && state.at ? Math.max(0, Math.round((Date.now() - arrived) / 1e3)) : seconds;
  const simulated = state && state.at && Math.abs(Date.parse(state.at) - Date.now()) > DAY / 24;
  $("time").hidden = !simulated;
  if (simulated) $("time").textContent = "simulated " + clock(state.at, 0);
  text.textContent = live.alive ? `live${way ? " " + way : ""}, read ${age(1e3 * read)} ago` : `not live: last heard ${age(1e3 * seconds)} ago`;
  if (text.classList.toggle("old", !live.alive) !== tick.old) { tick.old = !live.alive; if (state) actions(state, hello, live, moves.length > 0); }
}
setInterval(tick, 1e3);

const dark = matchMedia("(prefers-color-scheme: dark)");
function paint(choice) { document.documentElement.classList.toggle("dark", choice ?? dark.matches); }
dark.addEventListener("change", () => paint());
$("theme").addEventListener("click", () => paint(!document.documentElement.classList.contains("dark")));
paint();
if (token.has()) begin(); else login();
