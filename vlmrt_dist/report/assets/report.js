// Draws each figure before it scrolls into view, in the colours of the page.
"use strict";
const dark = window.matchMedia("(prefers-color-scheme: dark)");

function colours() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(name).trim();
  const axis = { gridcolor: of("--line"), linecolor: of("--dim"), zerolinecolor: of("--line") };
  return { ink: of("--ink"), paper: of("--paper"), axis };
}

function dressed(layout, entries) {
  const { ink, paper, axis } = colours();
  // In a narrow window each entry of the legend takes a line of its own.
  const more = window.innerWidth < 600 ? 18 * entries : 0;
  return {
    ...layout,
    height: layout.height + more,
    font: { color: ink, size: 13 },
    paper_bgcolor: paper,
    plot_bgcolor: paper,
    xaxis: { ...layout.xaxis, ...axis },
    yaxis: { ...layout.yaxis, ...axis },
  };
}

function draw(place) {
  const figure = JSON.parse(document.getElementById(place.dataset.figure).textContent);
  return Plotly.react(place, figure.data, dressed(figure.layout, figure.data.filter((one) => one.showlegend !== false).length), {
    responsive: true,
    displaylogo: false,
    displayModeBar: window.innerWidth > 600 ? "hover" : false,
    modeBarButtonsToRemove: ["select2d", "lasso2d"],
  }).then(() => place.setAttribute("data-drawn", ""));
}

const places = [...document.querySelectorAll(".plot")];
const watcher = new IntersectionObserver(
  (seen) => {
    for (const one of seen.filter((entry) => entry.isIntersecting)) {
      watcher.unobserve(one.target);
      draw(one.target);
    }
  },
  { rootMargin: "600px" },
);
places.forEach((place) => watcher.observe(place));
const drawn = () => places.filter((place) => place.hasAttribute("data-drawn"));
dark.addEventListener("change", () => drawn().forEach(draw));
window.addEventListener("beforeprint", () => {
  document.querySelectorAll("details").forEach((one) => (one.open = true));
  places.forEach(draw);
});
