// A radio map: one quantity of one transmitter at a time.
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const plot = byId("plot");
const dark = window.matchMedia("(prefers-color-scheme: dark)");

function decoded(text) {
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let n = 0; n < raw.length; n += 1) bytes[n] = raw.charCodeAt(n);
  return new Float32Array(bytes.buffer);
}

// Rows of a map; null where there is no level.
function rowsOf(values) {
  const width = data.x.length;
  return data.y.map((_, r) =>
    Array.from(values.subarray(r * width, (r + 1) * width), (v) => (Number.isNaN(v) ? null : v)));
}

const maps = data.quantities.map((quantity) => quantity.maps.map((text) => rowsOf(decoded(text))));

function colours() {
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(["ink", "paper", "soft", "line", "dim"].map((name) => [
    name, style.getPropertyValue(`--${name}`).trim()]));
}

function draw() {
  const { ink, paper, soft, line, dim } = colours();
  const quantity = data.quantities[Number(byId("quantity").value)];
  const t = Number(byId("tx").value);
  const narrow = window.innerWidth < 600;
  const across = { orientation: "h", y: -0.16, yanchor: "top", len: 1, thickness: 10 };
  const axis = { color: ink, gridcolor: line, zeroline: false, constrain: "domain", showgrid: false };
  const axes = {
    xaxis: { ...axis, title: { text: "x [m]" }, range: data.region[0] },
    yaxis: { ...axis, title: { text: "y [m]" }, range: data.region[1], scaleanchor: "x" },
  };
  const text = `x %{x:.2f} m, y %{y:.2f} m: %{z:.2f} ${quantity.unit}<extra></extra>`;
  const walls = { type: "scatter", mode: "lines", x: data.walls[0], y: data.walls[1],
    line: { color: ink, width: 1 }, hoverinfo: "skip" };
  const mast = { type: "scatter", mode: "markers", x: [data.tx[t][0]], y: [data.tx[t][1]],
    marker: { symbol: "triangle-up", size: 13, color: "#d7191c", line: { color: "#fff", width: 1.5 } },
    hovertemplate: `transmitter ${t + 1}, z ${data.tx[t][2].toFixed(2)} m<extra></extra>` };
  const heat = { type: "heatmap", x: data.x, y: data.y, z: maps[quantity.index][t],
    zmin: quantity.low, zmax: quantity.high, colorscale: quantity.colours,
    reversescale: quantity.reverse, hovertemplate: text, hoverongaps: false,
    colorbar: { title: { text: quantity.unit, side: narrow ? "top" : "right" }, thickness: 14,
      outlinecolor: dim, ...(narrow ? across : {}) } };
  byId("range").textContent = data.said[t];
  return Plotly.react(plot, [heat, walls, mast], {
    ...axes, paper_bgcolor: paper, plot_bgcolor: soft, font: { color: ink, size: 12 },
    showlegend: false, margin: { l: 56, r: 12, t: 12, b: 56 }, uirevision: "kept",
  }, { responsive: true, displaylogo: false, displayModeBar: false,
  }).then(() => plot.setAttribute("data-drawn", ""));
}

function option(select, text, value) {
  const made = document.createElement("option");
  made.textContent = text;
  made.value = value;
  byId(select).append(made);
}

data.quantities.forEach((quantity, n) => { quantity.index = n; option("quantity", quantity.name, n); });
data.tx.forEach((place, t) => option("tx", `${t + 1} at (${place.map((v) => v.toFixed(1)).join(", ")})`, t));
byId("txbox").hidden = data.tx.length < 2;
byId("quantity").value = String(data.first);
byId("quantity").addEventListener("change", draw);
byId("tx").addEventListener("change", draw);
byId("save").addEventListener("click", () => Plotly.downloadImage(plot, { format: "png",
  filename: "radio_map", width: plot.clientWidth, height: plot.clientHeight, scale: 2 }));
dark.addEventListener("change", draw);
draw();
