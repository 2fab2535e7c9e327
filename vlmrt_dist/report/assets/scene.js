// The 3D page: draws objects, antennas and links, and what is chosen among them.
// Names come from files: they are only ever set as text, and escaped where Plotly takes them.
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const plot = byId("plot");
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const UNKNOWN = "#9aa0a8";
const WEAK = "#8d939c";
const STRONG = "#e6550d";
const state = {
  colouring: 0, opacity: 1, axis: -1, cut: 0, upper: false, antennas: true,
  hidden: new Set(), object: -1, link: -1,
};

function decoded(text, Kind) {
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let n = 0; n < raw.length; n += 1) bytes[n] = raw.charCodeAt(n);
  return new Kind(bytes.buffer);
}

function owners(first) {
  const owner = new Int32Array(first[first.length - 1]);
  for (let k = 0; k + 1 < first.length; k += 1) owner.fill(k, first[k], first[k + 1]);
  return owner;
}

const corner = decoded(data.mesh.vertices, Float32Array);
const face = decoded(data.mesh.faces, Int32Array);
const ownerOfVertex = owners(data.mesh.firstVertex);
const ownerOfFace = owners(data.mesh.firstFace);
const base = [0, 1, 2].map((c) => Float32Array.from(ownerOfVertex, (_, n) => corner[3 * n + c]));

// Faces that are shown: hidden objects left out, the others cut by the section's plane.
function cutFaces() {
  const { axis, cut, upper, hidden } = state;
  const added = [[], [], []];
  const addedOwner = [];
  const corners = [];
  const owner = [];
  const outside = (v) => axis >= 0 && (upper ? base[axis][v] < cut : base[axis][v] > cut);
  const between = (inner, outer, k) => {
    const share = (cut - base[axis][inner]) / (base[axis][outer] - base[axis][inner]);
    for (let c = 0; c < 3; c += 1) {
      added[c].push(base[c][inner] + share * (base[c][outer] - base[c][inner]));
    }
    addedOwner.push(k);
    return ownerOfVertex.length + addedOwner.length - 1;
  };
  const keep = (a, b, c, k) => { corners.push(a, b, c); owner.push(k); };
  for (let f = 0; f < ownerOfFace.length; f += 1) {
    const k = ownerOfFace[f];
    if (hidden.has(k)) continue;
    const v = [face[3 * f], face[3 * f + 1], face[3 * f + 2]];
    const out = v.map(outside);
    const count = out[0] + out[1] + out[2];
    if (count === 0) keep(v[0], v[1], v[2], k);
    if (count === 0 || count === 3) continue;
    // Turn it so that the corner that stands alone comes first.
    const alone = out.indexOf(count === 1);
    const [a, b, c] = [v[alone], v[(alone + 1) % 3], v[(alone + 2) % 3]];
    if (count === 2) {
      keep(a, between(a, b, k), between(a, c, k), k);
    } else {
      const [ab, ac] = [between(b, a, k), between(c, a, k)];
      keep(ab, b, c, k);
      keep(ab, c, ac, k);
    }
  }
  const place = base.map((values, c) => {
    const joined = new Float32Array(values.length + added[c].length);
    joined.set(values);
    joined.set(added[c], values.length);
    return joined;
  });
  return { place, corners, owner, addedOwner };
}

let shown = cutFaces();
const ownerOfCorner = (n) =>
  n < ownerOfVertex.length ? ownerOfVertex[n] : shown.addedOwner[n - ownerOfVertex.length];

function ticksOf(low, high) {
  const values = [];
  for (let e = Math.floor(low); e <= Math.ceil(high); e += 1) {
    for (const m of high - low < 2.5 ? [1, 2, 5] : [1]) {
      const at = e + Math.log10(m);
      if (at >= low - 1e-9 && at <= high + 1e-9) values.push(at);
    }
  }
  return values.length > 1 ? values : [low, high];
}

const short = (value) => String(Number(value.toPrecision(3)));

// Colour scale, its ends and its bar.
function scaleOf(colouring) {
  const bar = { title: { text: colouring.title, side: "right" }, thickness: 14, len: 0.9 };
  if (colouring.scale === "classes") {
    const count = colouring.classes.length;
    const steps = colouring.classes.flatMap(([, color], n) => [
      [n / count, color], [(n + 1) / count, color],
    ]);
    const text = colouring.classes.map(([name]) => name);
    return {
      colorscale: steps, cmin: -0.5, cmax: count - 0.5,
      colorbar: { ...bar, tickvals: text.map((_, n) => n), ticktext: text },
    };
  }
  const there = colouring.values.filter((v) => v !== null);
  const log = colouring.scale === "log";
  const spread = there.map((v) => (log ? Math.log10(v) : v));
  let [low, high] = [Math.min(...spread), Math.max(...spread)];
  if (there.length === 0) [low, high] = [0, 1];
  if (!log) low = Math.min(low, 0);
  if (high - low < 1e-9) [low, high] = [low - 0.1, high + 0.1];
  if (log) {
    const tickvals = ticksOf(low, high);
    bar.tickvals = tickvals;
    bar.ticktext = tickvals.map((v) => short(10 ** v));
  }
  const value = colouring.key === "conductivity";
  return { colorscale: value ? "Viridis" : "YlOrRd", reversescale: !value, cmin: low, cmax: high,
    colorbar: bar };
}

function meshes() {
  const colouring = data.colourings[state.colouring];
  const log = colouring.scale === "log";
  const kinds = [[], []];
  shown.owner.forEach((k, f) => kinds[colouring.values[k] === null ? 1 : 0].push(f));
  return kinds.map((faces, unknown) => {
    const index = [0, 1, 2].map((c) => Int32Array.from(faces, (f) => shown.corners[3 * f + c]));
    const trace = {
      type: "mesh3d", x: shown.place[0], y: shown.place[1], z: shown.place[2],
      i: index[0], j: index[1], k: index[2], opacity: state.opacity, flatshading: true,
      hoverinfo: "none", meta: "object", visible: faces.length > 0,
      lighting: { ambient: 0.7, diffuse: 0.5, specular: 0.03, roughness: 0.9, facenormalsepsilon: 0,
        vertexnormalsepsilon: 0 },
      lightposition: { x: -4e4, y: -8e4, z: 1e5 },
    };
    if (unknown) return { ...trace, color: UNKNOWN, showscale: false };
    const value = (f) => colouring.values[shown.owner[f]];
    return {
      ...trace, ...scaleOf(colouring), intensitymode: "cell", showscale: true,
      intensity: Float32Array.from(faces, (f) => (log ? Math.log10(value(f)) : value(f))),
    };
  });
}

function lines(pieces, more) {
  const at = [[], [], []];
  for (const piece of pieces) {
    for (const point of piece) at.forEach((values, c) => values.push(point[c]));
    at.forEach((values) => values.push(null));
  }
  return {
    type: "scatter3d", mode: "lines", x: at[0], y: at[1], z: at[2], hoverinfo: "none", ...more,
  };
}

function spots(points, more) {
  return {
    type: "scatter3d", mode: "markers", hoverinfo: "none",
    x: points.map((p) => p[0]), y: points.map((p) => p[1]), z: points.map((p) => p[2]), ...more,
  };
}

const endsOf = (link) => [data.tx[link.tx], data.rx[link.rx]];

function antennaTraces(ink) {
  const links = data.links.map(endsOf);
  return [
    lines(links, { line: { color: WEAK, width: 1 }, opacity: 0.5, visible: state.antennas,
      hoverinfo: "skip" }),
    spots(data.tx, { meta: "tx", visible: state.antennas,
      marker: { symbol: "diamond", size: 7, color: "#d7191c", line: { color: ink, width: 1 } } }),
    spots(data.rx, { meta: "rx", visible: state.antennas,
      marker: { symbol: "circle", size: 5, color: "#1a9641", line: { color: ink, width: 1 } } }),
  ];
}

// How strong a path is among its link's: 1 the strongest, 0 at 40 dB below and less.
const strength = (path, link) =>
  Math.max(0, 1 + (data.paths.power[path] - data.paths.power[link.first]) / 40);

function mixed(share) {
  const part = (color, c) => parseInt(color.slice(1 + 2 * c, 3 + 2 * c), 16);
  const one = (c) => Math.round(part(WEAK, c) + share * (part(STRONG, c) - part(WEAK, c)));
  return `rgb(${one(0)},${one(1)},${one(2)})`;
}

function pathsOf(link) {
  return Array.from({ length: link.count }, (_, n) => link.first + n);
}

function chosenTraces(accent) {
  const traces = [];
  if (state.link >= 0) {
    const link = data.links[state.link];
    const paths = pathsOf(link).reverse();
    const pieces = paths.map((p) => data.paths.points[p]);
    const color = paths.flatMap((p) =>
      Array(data.paths.points[p].length + 1).fill(strength(p, link)));
    traces.push(lines(pieces, { meta: "path", line: { width: 5, color, cmin: 0, cmax: 1,
      colorscale: [[0, WEAK], [1, STRONG]] } }));
    traces.push(spots(endsOf(link), { hoverinfo: "skip",
      marker: { symbol: "circle-open", size: 14, color: accent, line: { width: 3, color: accent } } }));
  }
  if (state.object >= 0 && !state.hidden.has(state.object)) traces.push(frameOf(accent));
  return traces;
}

function boxOf(object) {
  const [first, stop] = [0, 1].map((d) => data.mesh.firstVertex[object + d]);
  return [Math.min, Math.max].map((pick) =>
    base.map((values) => values.subarray(first, stop).reduce((a, b) => pick(a, b))));
}

// The edges of the chosen object's bounding box.
function frameOf(accent) {
  const [low, high] = boxOf(state.object);
  const at = (bits) => [0, 1, 2].map((c) => (bits & (1 << c) ? high[c] : low[c]));
  const edges = [];
  for (let bits = 0; bits < 8; bits += 1) {
    for (let c = 0; c < 3; c += 1) {
      if (!(bits & (1 << c))) edges.push([at(bits), at(bits | (1 << c))]);
    }
  }
  return lines(edges, { line: { color: accent, width: 4 }, hoverinfo: "skip" });
}

function colours() {
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(["ink", "paper", "line", "accent", "dim"].map((name) => [
    name, style.getPropertyValue(`--${name}`).trim()]));
}

function layoutOf({ ink, paper, line }) {
  const size = data.high.map((v, c) => v - data.low[c]);
  const most = Math.max(...size);
  const axes = Object.fromEntries(["x", "y", "z"].map((name, c) => [`${name}axis`, {
    title: { text: `${name} [m]` }, color: ink, gridcolor: line, zerolinecolor: line,
    backgroundcolor: paper, showspikes: false, autorange: false,
    range: [data.low[c] - 0.02 * most, data.high[c] + 0.02 * most],
    nticks: size[c] < 0.3 * most ? 3 : 7,
  }]));
  const ratio = size.map((s) => (SCALE * (s + 0.04 * most)) / most);
  return {
    margin: { l: 0, r: 0, t: 0, b: 0 }, paper_bgcolor: paper, font: { color: ink, size: 12 },
    showlegend: false, uirevision: "kept",
    scene: {
      ...axes, aspectmode: "manual", aspectratio: { x: ratio[0], y: ratio[1], z: ratio[2] },
      dragmode: "turntable", uirevision: "kept", camera: home(),
    },
  };
}

// A camera at some distance; further away where the window is higher than wide.
function camera(x, y, z) {
  const away = Math.min(1.4, Math.max(1, (1.3 * plot.clientHeight) / plot.clientWidth));
  return { eye: { x: away * x, y: away * y, z: away * z }, center: { x: 0, y: 0, z: -0.1 },
    up: { x: 0, y: 0, z: 1 } };
}
// A camera that looks at some points from nearby, in the direction of the whole scene's.
function cameraAt(points) {
  const most = Math.max(...data.high.map((v, c) => v - data.low[c]));
  const unit = SCALE / most;
  const box = [0, 1, 2].map((c) => {
    const values = points.map((p) => p[c]);
    return [Math.min(...values), Math.max(...values)];
  });
  const middle = box.map(([low, high], c) =>
    unit * ((low + high) / 2 - (data.low[c] + data.high[c]) / 2));
  const away = Math.max(0.12, 1.3 * unit * Math.hypot(...box.map(([low, high]) => high - low)));
  const whole = home();
  const size = Math.hypot(whole.eye.x, whole.eye.y, whole.eye.z);
  const [x, y, z] = ["x", "y", "z"].map((name, c) => middle[c] + (away * whole.eye[name]) / size);
  return { eye: { x, y, z }, center: { x: middle[0], y: middle[1], z: middle[2] }, up: whole.up };
}
const SCALE = 1.2;
const home = () => camera(0.7, -1.45, 1.2);
const above = () => camera(0, -0.01, 1.9);

function draw() {
  const shades = colours();
  const narrow = window.innerWidth < 600;
  const traces = [...meshes(), ...antennaTraces(shades.paper), ...chosenTraces(shades.accent)];
  if (narrow) {
    // The bar lies below the scene, where it takes no width.
    for (const trace of traces.filter((one) => one.colorbar)) {
      Object.assign(trace.colorbar, { orientation: "h", y: 0, yanchor: "bottom", len: 0.95,
        thickness: 10, title: { text: trace.colorbar.title.text, side: "top" } });
    }
  }
  byId("grey").hidden = !traces[1].visible;
  return Plotly.react(plot, traces, layoutOf(shades), {
    responsive: true, displaylogo: false, displayModeBar: false,
  }).then(() => plot.setAttribute("data-drawn", ""));
}

function element(kind, text, more = {}) {
  const made = document.createElement(kind);
  made.textContent = text;
  return Object.assign(made, more);
}

const level = (value, unit = "dBm") => (value === null ? "none" : `${value.toFixed(1)} ${unit}`);

function stepsOf(path) {
  const words = data.paths.steps[path].map(([kind, k]) =>
    `${["", "reflected by", "through", "diffracted by"][kind]} ${data.names[k]}`);
  return words.length ? words.join(", ") : "straight";
}

function linkText(link) {
  const lines = [];
  if (link.measured !== null) lines.push(`measured ${link.bound ? link.bound + " " : ""}${level(link.measured)}`);
  if (link.known) lines.push(`${data.fitted ? "at the estimate" : "by the paths"} ${level(link.replayed)}`);
  if (link.residual !== null) lines.push(`residual ${level(link.residual, "dB")}`);
  return lines;
}

function describe(point) {
  const what = (point.data || point.fullData).meta;
  const n = point.pointNumber;
  if (what === "object") {
    const k = ownerOfCorner(n);
    return [data.names[k], ...data.lines[k]];
  }
  if (what === "tx") return [`transmitter ${n + 1}`];
  if (what === "rx") {
    const links = data.links.filter((link) => link.rx === n);
    return links.flatMap((link) => [link.name, ...linkText(link)]).slice(0, 12);
  }
  if (what === "path") {
    const path = pathAt(n);
    return [`${level(data.paths.power[path])}, ${data.paths.length[path].toFixed(2)} m`, stepsOf(path)];
  }
  return null;
}

// The path of the chosen link that a point of its trace belongs to.
function pathAt(n) {
  let left = n;
  for (const path of pathsOf(data.links[state.link]).reverse()) {
    left -= data.paths.points[path].length + 1;
    if (left < 0) return path;
  }
  return data.links[state.link].first;
}

function showObject() {
  const place = byId("object");
  place.replaceChildren();
  byId("hide").disabled = byId("toobject").disabled = state.object < 0;
  byId("unhide").disabled = state.hidden.size === 0;
  byId("unhide").textContent = `Show hidden (${state.hidden.size})`;
  if (state.object < 0) {
    place.append(element("p", "Click an object to keep it here.", { className: "note" }));
    return;
  }
  place.append(element("h3", data.names[state.object]));
  const list = document.createElement("ul");
  list.append(...data.lines[state.object].map((line) => element("li", line)));
  place.append(list);
}

function showLink() {
  const place = byId("link");
  place.replaceChildren();
  if (!data.links.length) return;
  byId("links").value = String(state.link);
  byId("tolink").disabled = state.link < 0;
  if (state.link < 0) {
    place.append(element("p", "Click a receiver, or choose a link, to see its paths.", { className: "note" }));
    return;
  }
  const link = data.links[state.link];
  place.append(element("h3", link.name));
  const list = document.createElement("ul");
  list.append(...linkText(link).map((line) => element("li", line)));
  place.append(list);
  if (!link.count) {
    place.append(element("p", data.paths.length.length ? "No path arrives." : "Paths were not traced."));
    return;
  }
  const table = document.createElement("table");
  table.append(element("caption", link.total > link.count
    ? `The ${link.count} strongest of ${link.total} paths` : `${link.count} paths`));
  const head = table.createTHead().insertRow();
  for (const name of ["power [dBm]", "length [m]", "on its way"]) head.append(element("th", name, { scope: "col" }));
  const body = table.createTBody();
  for (const path of pathsOf(link)) {
    const row = body.insertRow();
    const power = element("td", data.paths.power[path].toFixed(1), { className: "number" });
    const swatch = element("span", "", { className: "swatch" });
    swatch.style.background = mixed(strength(path, link));
    power.prepend(swatch);
    row.append(power, element("td", data.paths.length[path].toFixed(2), { className: "number" }),
      element("td", stepsOf(path)));
  }
  const box = element("div", "", { className: "box", tabIndex: 0 });
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", `Paths of ${link.name}`);
  box.append(table);
  place.append(box);
}

function refresh(cut = false) {
  if (cut) shown = cutFaces();
  showObject();
  showLink();
  return draw();
}

// What slides is drawn once a frame.
let waiting = false;
function soon(cut) {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; refresh(cut); });
}

function place(id, event, act) {
  byId(id).addEventListener(event, act);
}

function setSection() {
  const axis = state.axis;
  const slider = byId("cut");
  byId("cutbox").hidden = byId("upperbox").hidden = axis < 0;
  if (axis >= 0) {
    const [low, high] = [data.low[axis], data.high[axis]];
    state.cut = low + (Number(slider.value) / 1000) * (high - low);
    byId("where").textContent = `${(state.cut + data.shift[axis]).toFixed(2)} m`;
  } else {
    byId("where").textContent = "";
  }
}

function wire() {
  byId("colour").append(...data.colourings.map((c, n) => element("option", c.label, { value: n })));
  byId("links").append(element("option", "none", { value: "-1" }), ...data.links.map((link, n) =>
    element("option", link.residual === null ? link.name : `${link.name}: ${level(link.residual, "dB")}`,
      { value: n })));
  byId("linkbox").hidden = byId("antennabox").hidden = data.links.length === 0;
  place("colour", "change", (e) => { state.colouring = Number(e.target.value); refresh(); });
  place("opacity", "input", (e) => { state.opacity = Number(e.target.value); soon(false); });
  place("axis", "change", (e) => { state.axis = Number(e.target.value); setSection(); refresh(true); });
  place("cut", "input", () => { setSection(); soon(true); });
  place("upper", "change", (e) => { state.upper = e.target.checked; refresh(true); });
  place("antennas", "change", (e) => { state.antennas = e.target.checked; refresh(); });
  place("links", "change", (e) => { state.link = Number(e.target.value); refresh(); });
  place("hide", "click", () => { state.hidden.add(state.object); state.object = -1; refresh(true); });
  place("unhide", "click", () => { state.hidden.clear(); refresh(true); });
  place("home", "click", () => Plotly.relayout(plot, { "scene.camera": home() }));
  place("above", "click", () => Plotly.relayout(plot, { "scene.camera": above() }));
  const look = (points) => Plotly.relayout(plot, { "scene.camera": cameraAt(points) });
  place("toobject", "click", () => look(boxOf(state.object)));
  place("tolink", "click", () => look(endsOf(data.links[state.link])));
  place("save", "click", () => Plotly.downloadImage(plot, { format: "png", filename: data.file,
    width: plot.clientWidth, height: plot.clientHeight, scale: 2 }));
}

function listen() {
  const tip = byId("tip");
  let mouse = [0, 0];
  let pressed = [0, 0];
  let hovered = null;
  let asked = 0;
  plot.addEventListener("pointermove", (e) => { mouse = [e.clientX, e.clientY]; });
  plot.addEventListener("pointerdown", (e) => { pressed = [e.clientX, e.clientY]; }, true);
  plot.addEventListener("pointerleave", () => { tip.hidden = true; });
  // Plotly's own click event misses a press and release between two frames; and a finger has hovered
  // over nothing before it taps, so the point may come after the click.
  plot.addEventListener("click", (e) => {
    if (Math.hypot(e.clientX - pressed[0], e.clientY - pressed[1]) > 5) return;
    if (hovered) choose(hovered);
    else asked = performance.now();
  }, true);
  plot.on("plotly_hover", (e) => {
    hovered = e.points[0];
    if (performance.now() - asked < 1000) choose(hovered);
    asked = 0;
    const text = describe(hovered);
    if (!text) return;
    tip.textContent = text.join("\n");
    tip.hidden = false;
    tip.style.left = `${Math.max(4, Math.min(mouse[0] + 14, window.innerWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${Math.max(4, Math.min(mouse[1] + 14, window.innerHeight - tip.offsetHeight - 8))}px`;
  });
  plot.on("plotly_unhover", () => { hovered = null; tip.hidden = true; });
}

function choose(point) {
  const what = (point.data || point.fullData).meta;
  const n = point.pointNumber;
  if (what === "path") return;
  if (what === "object") state.object = ownerOfCorner(n);
  if (what === "rx") state.link = data.links.findIndex((link) => link.rx === n);
  if (what === "tx") state.link = data.links.findIndex((link) => link.tx === n);
  refresh();
}

wire();
setSection();
refresh().then(listen);
dark.addEventListener("change", () => draw());
