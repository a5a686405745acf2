// One line over time, as SVG: it takes its colours from the page, prints, and costs a tenth of a charting library.
const SPACE = "http://www.w3.org/2000/svg", HEIGHT = 220, LEFT = 52, RIGHT = 8, TOP = 12, BOTTOM = 24;
const STEPS = [60, 300, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800];

function svg(tag, props, ...children) {
  const made = document.createElementNS(SPACE, tag);
  for (const [key, value] of Object.entries(props)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// Round numbers between two values, about `count` of them.
export function ticks(low, high, count) {
  const rough = (high - low) / count || 1, size = 10 ** Math.floor(Math.log10(rough));
  const step = size * [1, 2, 5, 10].find(each => each * size >= rough);
  const found = [];
  for (let k = Math.ceil(low / step); k * step <= high + step / 1e6; k++) found.push(+(k * step).toPrecision(12));
  return found;
}

// Where nothing was read for long the line ends; `usual` is the time from point to point.
function path(times, values, x, y, usual) {
  let text = "", up = true, before = 0;
  times.forEach((t, i) => {
    if (values[i] == null) { up = true; return; }
    if (t - before > 5 * usual + 60) up = true;
    text += `${up ? "M" : "L"}${x(t).toFixed(1)} ${y(values[i]).toFixed(1)}`;
    up = false; before = t;
  });
  return text;
}

// Draws into a box; `format` is for money, `label` for moments. Returns nothing: it is drawn again as a whole.
export function draw(box, { times, rates, never, moves }, format, label) {
  const width = Math.max(260, box.clientWidth), known = [...rates, ...never].filter(v => v != null);
  let low = Math.min(...known), high = Math.max(...known);
  const air = (high - low) * 0.08 || Math.abs(high) * 0.1 || 1;
  low = low >= 0 ? Math.max(0, low - air) : low - air; high += air;
  const first = times[0], last = Math.max(times.at(-1), first + 60);
  const x = t => LEFT + ((t - first) / (last - first)) * (width - LEFT - RIGHT);
  const y = v => TOP + ((high - v) / (high - low)) * (HEIGHT - TOP - BOTTOM);
  const steps = times.slice(1).map((t, i) => t - times[i]).sort((a, b) => a - b), usual = steps[steps.length >> 1] || 60;
  const parts = [];
  for (const v of ticks(low, high, 4)) parts.push(svg("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(v), y2: y(v) }), svg("text", { x: LEFT - 6, y: y(v) + 4, "text-anchor": "end" }, String(v)));
  const step = STEPS.find(s => (last - first) / s <= width / 70) || STEPS.at(-1), zone = new Date(1e3 * first).getTimezoneOffset() * 60;
  for (let t = Math.ceil((first - zone) / step) * step + zone; t <= last; t += step) if (x(t) > LEFT + 12 && x(t) < width - 24) parts.push(svg("line", { class: "grid", x1: x(t), x2: x(t), y1: TOP, y2: HEIGHT - BOTTOM }), svg("text", { x: x(t), y: HEIGHT - 7, "text-anchor": "middle" }, label(t)));
  for (const at of moves) if (at >= first && at <= last) parts.push(svg("path", { class: "mark", d: `M${x(at)} ${TOP - 8}l4 7h-8zM${x(at)} ${TOP}V${HEIGHT - BOTTOM}` }));
  parts.push(svg("path", { class: "never", d: path(times, never, x, y, usual) }), svg("path", { class: "line", d: path(times, rates, x, y, usual) }));
  const end = rates.at(-1);
  if (end != null) parts.push(svg("circle", { class: "now", cx: x(last), cy: y(end), r: 3.5 }));
  const cross = svg("line", { class: "cross", y1: TOP, y2: HEIGHT - BOTTOM, x1: -9, x2: -9 }), said = svg("text", { class: "said", y: TOP + 2 });
  const made = svg("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, "aria-hidden": "true" }, ...parts, cross, said);
  made.onpointermove = event => {
    const at = first + ((event.offsetX - LEFT) / (width - LEFT - RIGHT)) * (last - first);
    let i = times.findIndex(t => t >= at);
    if (i < 0) i = times.length - 1;
    if (rates[i] == null) return;
    const to = x(times[i]), right = to > width / 2;
    cross.setAttribute("x1", to); cross.setAttribute("x2", to);
    said.setAttribute("x", right ? to - 6 : to + 6); said.setAttribute("text-anchor", right ? "end" : "start");
    said.textContent = `${label(times[i], true)}  ${format(rates[i])}${never[i] == null ? "" : `, never moving ${format(never[i])}`}`;
  };
  made.onpointerleave = () => { cross.setAttribute("x1", -9); cross.setAttribute("x2", -9); said.textContent = ""; };
  box.replaceChildren(made);
}
