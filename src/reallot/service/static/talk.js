// The connection: the token, requests, and the live stream with its two fallbacks.
const QUIET = 45e3, HIDDEN = 60e3, POLL = 5e3, ANSWER = 5e3, LONGEST = 30e3;
const KEY = "reallot.token";
let token = "";

export const here = path => new URL(path, location.href.split("#")[0]);

export function takeToken() {
  const part = new URLSearchParams(location.hash.slice(1));
  const store = value => { try { value ? sessionStorage.setItem(KEY, value) : sessionStorage.removeItem(KEY); } catch { /* kept in memory */ } };
  if (part.has("token")) {
    token = part.get("token");
    store(token);
    part.delete("token");
    history.replaceState(null, "", location.pathname + location.search + (String(part) ? "#" + part : ""));
  } else if (!token) {
    try { token = sessionStorage.getItem(KEY) || ""; } catch { token = ""; }
  }
  return { has: () => token !== "", set: value => { token = value.trim(); store(token); } };
}

// An answer as JSON; throws an object with status, detail and what else the problem says.
export async function ask(path, { method = "GET", body, headers = {}, wait = 0 } = {}) {
  const all = { Authorization: "Bearer " + token, ...headers };
  if (body) all["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(here(path), { method, headers: all, body: body && JSON.stringify(body), signal: AbortSignal.timeout(ANSWER + 1e3 * wait), cache: "no-store" });
  } catch {
    throw { status: 0, detail: "no answer from " + here(path).host + " within " + ANSWER / 1e3 + " s" };
  }
  if (answer.status === 204 || answer.status === 304) return null;
  let told = {};
  try { told = await answer.json(); } catch { /* no JSON: the status says it */ }
  if (!answer.ok) throw { detail: "the server answers with status " + answer.status, ...told, status: answer.status };
  return told;
}

// The same for what may take long: asked again while the server works it out.
export async function patient(path, options) {
  for (let left = 20; ; left--) {
    try { return await ask(path, options); } catch (error) {
      if (error.status !== 503 || left === 0) throw error;
      await new Promise(done => setTimeout(done, 1e3 * (error.retry_after || 5)));
    }
  }
}

export class Live {
  // on.frame(frame), on.denied(), on.way(text)
  constructor(on) {
    this.on = on; this.way = 0; this.fails = this.misses = 0; this.last = 0; this.event = 0; this.epoch = 0; this.turn = 0;
    document.addEventListener("visibilitychange", () => {
      clearTimeout(this.hiding);
      if (document.hidden) this.hiding = setTimeout(() => this.close(), HIDDEN);
      else if (!this.open) { this.fails = 0; this.begin(); }
    });
    setInterval(() => { if (this.open && Date.now() - this.last > QUIET) this.lost(); }, 1e3);
  }

  get alive() { return Date.now() - this.last <= QUIET; }

  heard(frame) {
    this.last = Date.now(); this.fails = 0; this.told = true;
    if (frame.t === "hello") this.epoch = frame.epoch;
    if (frame.t === "event") this.event = Math.max(this.event, frame.seq);
    this.on.frame(frame);
  }

  close() { this.turn++; this.open = false; clearTimeout(this.again); if (this.stop) this.stop(); this.stop = null; }

  begin() {
    this.close();
    this.open = true; this.told = false; this.opened = Date.now();
    const turn = this.turn;
    [this.socket, this.events, this.poll][this.way].call(this, () => turn === this.turn);
    this.on.way(["", "by server-sent events", "by polling"][this.way]);
  }

  // The connection is gone: the next comes after 1, 2, 4 ... 30 s with full jitter. Where the server answers and two
  // connections in a row told nothing, the next way is tried.
  lost() {
    const failed = !this.told;
    this.close();
    if (document.hidden) return;
    this.again = setTimeout(async () => {
      try {
        await ask("v1");
        this.misses = failed ? this.misses + 1 : 0;
        if (this.misses >= 2 && this.way < 2) { this.way++; this.misses = 0; }
      } catch (error) {
        if (error.status === 401) return this.on.denied();
        if (error.status === 0) return this.lost();
      }
      this.begin();
    }, 200 + Math.random() * Math.min(LONGEST, 1e3 * 2 ** this.fails++));
  }

  socket(mine) {
    const url = here("v1/stream");
    url.protocol = url.protocol.replace("http", "ws");
    let socket;
    try { socket = new WebSocket(url, ["reallot.v1", "token." + token]); } catch { return void this.lost(); }
    socket.onopen = () => { if (this.event) socket.send(JSON.stringify({ t: "resume", epoch: this.epoch, events_after: this.event })); };
    socket.onmessage = message => { if (mine()) this.heard(JSON.parse(message.data)); };
    socket.onclose = () => { if (mine()) this.lost(); };
    this.stop = () => socket.close();
  }

  async events(mine) {
    const abort = new AbortController();
    this.stop = () => abort.abort();
    try {
      const headers = { Authorization: "Bearer " + token, ...(this.event ? { "Last-Event-ID": String(this.event) } : {}) };
      const answer = await fetch(here("v1/stream/events"), { headers, signal: abort.signal, cache: "no-store" });
      if (!answer.ok) throw answer;
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let kept = ""; ;) {
        const { value, done } = await reader.read();
        if (done) break;
        const parts = (kept + value).split("\n\n");
        kept = parts.pop();
        for (const part of parts) for (const line of part.split("\n")) if (mine() && line.startsWith("data: ")) this.heard(JSON.parse(line.slice(6)));
      }
    } catch { /* lost, below */ }
    if (mine()) this.lost();
  }

  async poll(mine) {
    let tag = "";
    this.stop = () => {};
    while (mine()) {
      try {
        const state = await ask("v1/state", { headers: tag ? { "If-None-Match": tag } : {} });
        if (!mine()) return;
        if (state) { tag = `"${state.epoch}-${state.seq}"`; this.heard(state); } else this.heard({ t: "beat" });
      } catch { if (mine()) return void this.lost(); }
      await new Promise(done => setTimeout(done, POLL));
    }
  }
}
