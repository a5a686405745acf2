// Acting, and why: dialogs that repeat the exact calls, a second press, and what came of it.
import { ask, patient } from "./talk.js";

const $ = id => document.getElementById(id);
const OPEN = ["queued", "running"], TRIES = 40;
let busy = null, current = null, back = null;

export function el(tag, props = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (key.startsWith("on")) made[key] = value;
    else if (value !== "") made.setAttribute(key, value);
  }
  made.append(...children.filter(child => child != null && child !== false && child !== ""));
  return made;
}

// Three digits that count, without exponents.
export const money = v => {
  if (v == null) return "?";
  if (v === 0 || Math.abs(v) < 5e-7) return "0";
  const digits = Math.max(0, Math.min(8, 2 - Math.floor(Math.log10(Math.abs(v)))));
  return v.toFixed(digits);
};
export const signed = v => {
  const text = money(v == null ? v : Math.abs(v));
  return text === "0" || text === "?" ? text : (v > 0 ? "+" : "−") + text;
};
export const percent = v => `${+(100 * v).toFixed(1)} %`;
export const age = ms => {
  const s = Math.max(0, Math.round(ms / 1e3));
  return s < 90 ? `${s} s` : s < 5400 ? `${Math.round(s / 60)} min` : s < 129600 ? `${Math.round(s / 3600)} h` : `${Math.round(s / 86400)} days`;
};
export const clock = (text, now) => {
  const at = new Date(text), day = Math.abs(now - at) < 72e6 ? "" : at.toLocaleDateString([], { day: "numeric", month: "short" }) + " ";
  return day + at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });
};

const KINDS = {
  confirm: { title: "Carry this plan out", press: "Move now", calls: true },
  decline: { title: "Decline this plan", press: "Not this one", text: "It is not carried out. The engine goes on planning." },
  pause: { title: "Pause the engine", press: "Pause", text: "Nothing new is moved until you go on. What was begun is ended first." },
  unpause: { title: "Go on", press: "Go on", text: "The engine may move again from the next cycle on." },
  rollback: { title: "Take the last plan back", press: "Take back", word: "back", text: "Every share returns to what it was before the last plan, and stays there for a while." },
  resume: { title: "Let the engine move again", press: "Resume", word: "resume", shares: true, text: "Resume takes the shares as they are now:" },
};

// The buttons that make sense now; none works while the page is not live, or without a token that may act.
export function actions(state, hello, live, moved) {
  current = { state, live, moved };
  const may = hello && hello.you.scope === "act", list = [];
  const condition = state.verdict.condition;
  if (state.waiting) list.push(["confirm", "Move now", true], ["why", "Why?"], ["decline", "Not this one"]);
  else list.push(["why", "Why?"]);
  if (condition === "paused") list.push(["unpause", "Go on", true]);
  else if (state.halted) list.push(["resume", "Resume", true]);
  else if (state.mode === "automatic" || state.mode === "confirm") list.push(["pause", "Pause"]);
  if (moved && !state.halted && (state.mode === "automatic" || state.mode === "confirm")) list.push(["rollback", "Take back"]);
  const wanted = list.map(each => each[0]).join() + may + live.alive + (busy !== null);
  if ($("acts").dataset.wanted === wanted) return;
  const focused = document.activeElement && document.activeElement.dataset && document.activeElement.dataset.kind;
  $("acts").dataset.wanted = wanted;
  $("acts").replaceChildren(...list.filter(([kind]) => may || kind === "why").map(([kind, text, main]) => {
    const button = el("button", { type: "button", class: main ? "main" : "", "data-kind": kind, onclick: () => kind === "why" ? showWhy(current.state.waiting ? current.state.waiting.plan_id : "current") : open(kind) }, text);
    button.disabled = kind !== "why" && (!live.alive || busy !== null);
    return button;
  }));
  if (focused) { const again = $("acts").querySelector(`[data-kind="${focused}"]`); if (again) again.focus(); }
}

function dialog(title, body, buttons) {
  back = document.activeElement;
  $("dialog-title").textContent = title;
  $("dialog-body").replaceChildren(...body);
  $("dialog-acts").replaceChildren(...buttons, el("button", { type: "button", onclick: () => $("dialog").close() }, "Close"));
  if (!$("dialog").open) $("dialog").showModal();
}
$("dialog").addEventListener("close", () => {
  const kind = back && back.dataset && back.dataset.kind;
  const to = back && back.isConnected ? back : kind && $("acts").querySelector(`[data-kind="${kind}"]`);
  if (to) to.focus();
  if (location.hash.startsWith("#why=")) history.replaceState(null, "", location.pathname + location.search);
});

async function open(kind) {
  const how = KINDS[kind], { state } = current, key = newKey(), plan = state.waiting && state.waiting.plan_id;
  const match = kind === "confirm" ? `"${state.waiting.fingerprint || plan}"` : `"${state.epoch}-${state.seq}"`;
  const body = [how.text && el("p", {}, how.text)];
  const press = el("button", { type: "button", class: "main" }, how.press);
  const calls = el("div", {});
  if (how.calls) body.push(table(state), calls);
  if (how.shares) body.push(table(state));
  if (how.word) {
    const word = el("input", { id: "word", autocomplete: "off", autocapitalize: "off", size: "10" });
    word.oninput = () => { press.disabled = word.value.trim().toLowerCase() !== how.word; };
    press.disabled = true;
    body.push(el("p", {}, el("label", { for: "word" }, `To be sure, write ${how.word}: `), word));
  }
  const trouble = el("p", { class: "bad", role: "status" });
  body.push(trouble);
  press.onclick = () => send(kind, key, match, plan, press, trouble);
  dialog(how.title, body.filter(Boolean), [press]);
  if (how.calls) preview(plan, calls);
}

function table(state) {
  const w = state.waiting, rows = state.names.map((name, i) => [name, state.share[i], w ? w.allocation[name] : null]).filter(r => r[1] || (w && w.moves[r[0]]));
  const head = ["protocol", "now", ...(w ? ["then"] : [])].map((text, i) => el("th", { scope: "col", class: i ? "n" : "" }, text));
  return el("table", {}, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...rows.map(([name, share, to]) => el("tr", {}, el("th", { scope: "row" }, name), el("td", { class: "n" }, share == null ? "?" : percent(share)),
    w && el("td", { class: "n" + (w.moves[name] > 0 ? " good" : w.moves[name] < 0 ? " warn" : "") }, to == null ? "stays" : percent(to))))));
}

// The calls as the engine would make them, and what forbids them.
async function preview(plan, into) {
  into.replaceChildren(el("p", { class: "mut" }, "Asking what would be called …"));
  try {
    const told = await ask(`v1/plans/${encodeURIComponent(plan)}/preview`, { method: "POST", wait: 25 });
    into.replaceChildren(el("h3", {}, "The calls, in this order"), el("ol", {}, ...told.calls.map(call => el("li", {}, el("code", {}, call)))));
    if (told.blocked) into.append(el("p", { class: "warn" }, `Not now: ${told.blocked.reason}.`));
  } catch (error) {
    const moves = Object.entries(current.state.waiting ? current.state.waiting.moves : {}).sort((a, b) => a[1] - b[1]);
    const to = current.state.waiting ? current.state.waiting.allocation : {};
    into.replaceChildren(el("h3", {}, "The calls, who gives first"), el("ol", {}, ...moves.map(([name]) => el("li", {}, el("code", {}, `${name}: apply_allocation(${+to[name].toFixed(6)})`)))), el("p", { class: "mut" }, error.status === 404 ? "" : error.detail || ""));
  }
}

export const newKey = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), byte => byte.toString(16).padStart(2, "0")).join("");

async function send(kind, key, match, plan, press, trouble) {
  press.disabled = true;
  trouble.textContent = "";
  const about = ["confirm", "decline"].includes(kind) ? { plan_id: plan } : {};
  for (let left = 2; ; left--) {
    try {
      const row = await ask("v1/actions", { method: "POST", body: { kind, ...about }, headers: { "Idempotency-Key": key, "If-Match": match, "Reallot-Via": "page" } });
      $("dialog").close();
      return followed(row.id);
    } catch (error) {
      if (error.status === 0 && left > 0) continue; // the same key: what was heard is not done twice
      trouble.textContent = error.status === 412 ? `The engine went on since: ${error.detail}. Close this and look again.` : error.detail || "it was not sent";
      press.disabled = error.status !== 0;
      return;
    }
  }
}

// Follows an action to its end; a reload goes on with it, by the address.
export async function followed(id) {
  busy = id;
  history.replaceState(null, "", `${location.pathname}${location.search}#action=${id}`);
  for (let i = 0; i < TRIES; i++) {
    let row;
    try { row = await ask(`v1/actions/${encodeURIComponent(id)}?wait=20`, { wait: 21 }); } catch (error) {
      if (error.status === 404) break;
      await new Promise(done => setTimeout(done, 2e3));
      continue;
    }
    const why = row.problem ? `: ${row.problem.detail || row.problem.title}` : "";
    $("action").textContent = `${(KINDS[row.kind] || { title: row.kind }).title}: ${row.state}${why}`;
    $("action").className = row.state === "refused" || row.state === "expired" ? "bad" : row.state === "done" ? "good" : "mut";
    if (!OPEN.includes(row.state)) break;
  }
  busy = null;
  history.replaceState(null, "", location.pathname + location.search);
  if (current) { $("acts").dataset.wanted = ""; actions(current.state, { you: { scope: "act" } }, current.live, current.moved); }
}

// Why this plan, or why it was not carried out: sentences, then a table that adds up.
export async function showWhy(plan) {
  dialog("Why?", [el("p", { class: "mut" }, "Working it out …")], []);
  let told, id = plan;
  try {
    if (plan === "current") {
      const now = await ask("v1/plans/current");
      if (!now) { $("dialog-body").replaceChildren(el("p", {}, "There is no plan yet: the engine has to learn what its protocols earn.")); return; }
      id = now.plan_id;
    }
    told = await patient(`v1/plans/${encodeURIComponent(id)}/why`, { wait: 10 });
  } catch (error) {
    $("dialog-body").replaceChildren(el("p", {}, plan === "current" && error.status === 404 ? "No plan is known that could be explained." : error.detail));
    return;
  }
  history.replaceState(null, "", `${location.pathname}${location.search}#why=${encodeURIComponent(id)}`);
  const said = told.summary.map(text => el("p", {}, text.replaceAll(" -> ", " → "))), body = said.splice(0, 2);
  if (told.rows.length) body.push(el("h3", {}, "What it would bring, and what that costs (USD)"), sums(told));
  if (told.stayed.length) body.push(el("h3", {}, "What would have to be true for the others to move"), el("ul", {}, ...told.stayed.map(stays)));
  const limits = told.limits.map(each => [each.name, money(each.costs_usd_per_hour)]).filter(each => each[1] !== "0");
  if (limits.length) body.push(el("h3", {}, "What limits cost"), el("ul", {}, ...limits.map(([name, cost]) => el("li", {}, `${name}: ${cost} USD/h`))));
  if (told.confidence.value != null) body.push(el("p", { class: "mut" }, `Confidence ${told.confidence.value.toFixed(2)}.`));
  if (said.length) body.push(el("h3", {}, "What was decided"), ...said);
  $("dialog-body").replaceChildren(...body);
}

function sums(told) {
  const all = key => told.rows.reduce((sum, row) => sum + row[key], 0), total = all("sum"), none = { "aria-hidden": "true" };
  const cells = row => [percent(row.today), percent(row.plan), signed(row.gain), signed(-row.cost), signed(row.sum)];
  const head = ["protocol", "today", "plan", "gain", "cost", "sum"];
  return el("table", { class: "sums" }, el("thead", {}, el("tr", {}, ...head.map((text, i) => el("th", { scope: "col", class: i ? "n" : "" }, text)))),
    el("tbody", {}, ...told.rows.map(row => el("tr", {}, el("th", { scope: "row" }, row.protocol), ...cells(row).map(text => el("td", { class: "n" }, text))))),
    el("tfoot", {}, el("tr", {}, el("th", { scope: "row" }, "all"), el("th", none), el("th", none), el("th", { class: "n" }, signed(all("gain"))), el("th", { class: "n" }, signed(-all("cost"))), el("td", { class: "n", "data-sum": String(total) }, signed(total)))));
}

// Rates are at the margin: what more of a share would earn, and what the last of it does.
function stays(each) {
  const above = each.takes_above == null ? "" : ` It takes more above ${money(each.takes_above)} USD/h.`;
  const below = each.gives_below == null ? "" : ` It gives some where the last of its share earns below ${money(each.gives_below)} USD/h.`;
  return el("li", {}, el("strong", {}, each.protocol), ` would earn ${money(each.earns)} USD/h per unit of further share.${above}${below}${each.reason ? ` (${each.reason})` : ""}`);
}

// Where the address leads: to the reasons of a plan, or to an action that is followed.
export function linked() {
  const part = new URLSearchParams(location.hash.slice(1));
  if (part.has("why")) showWhy(part.get("why"));
  if (part.has("action")) followed(part.get("action"));
}
addEventListener("hashchange", () => current && linked());
