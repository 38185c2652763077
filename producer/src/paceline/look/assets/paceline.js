// What the pages do by themselves: parts that are live, charts, "all" boxes. Everything else is HTML and htmx.
"use strict";
(() => {
  const live = document.querySelector("[data-live]");
  const pulse = document.querySelector("[data-pulse]");
  const charts = new WeakMap();

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // Columns: seconds, then accepted, rejected or dead, held, others; drawn on top of each other.
  const stacked = (columns) => {
    const [times, ...parts] = columns;
    const sums = times.map(() => 0);
    return [times, ...parts.map((part) => part.map((value, at) => (sums[at] += value))).reverse()];
  };

  const draw = (box) => {
    if (!window.uPlot || !box.dataset.figures) return;
    const data = stacked(JSON.parse(box.dataset.figures));
    const known = charts.get(box);
    if (known) {
      known.setData(data);
      return;
    }
    const bars = uPlot.paths.bars({ size: [0.86, 40] });
    const series = (label, name) => ({ label, fill: colour(name), width: 0, paths: bars, points: { show: false } });
    const axis = { stroke: colour("--ink-2"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "12px Inter, sans-serif" };
    const chart = new uPlot({
      width: box.clientWidth, height: box.clientHeight, legend: { show: false }, cursor: { show: false }, padding: [8, 0, 0, 0],
      scales: { y: { range: (_, __, most) => [0, Math.max(6, most * 1.1)] } },
      axes: [{ ...axis, grid: { show: false }, size: 26, space: 72, values: (_, splits) => splits.map((at) => new Date(at * 1000).toTimeString().slice(0, 5)) }, { ...axis, size: 44 }],
      series: [{}, series("other", "--quiet-fill"), series("held", "--warn-fill"), series("rejected", "--bad-fill"), series("accepted", "--good-fill")],
    }, data, box);
    charts.set(box, chart);
    new ResizeObserver(() => chart.setSize({ width: box.clientWidth, height: box.clientHeight })).observe(box);
  };
  const drawAll = () => document.querySelectorAll("[data-chart]").forEach(draw);

  const say = (words, away) => {
    if (!pulse) return;
    pulse.hidden = false;
    pulse.textContent = words;
    pulse.classList.toggle("away", away);
  };

  const follow = () => {
    const address = live.dataset.live || location.href.split("#")[0];
    const events = new EventSource(address);
    events.addEventListener("open", () => say("Live", false));
    events.addEventListener("part", (event) => {
      const part = document.createElement("template");
      part.innerHTML = event.data;
      Idiomorph.morph(live, part.content.childNodes, {
        morphStyle: "innerHTML",
        ignoreActiveValue: true,
        callbacks: {
          // A drawn chart is kept, and gets its figures by an event of its own.
          beforeNodeMorphed: (old) => !(old.nodeType === 1 && old.hasAttribute("data-chart") && charts.has(old)),
          beforeAttributeUpdated: (name, node) => !(name === "open" && node.tagName === "DETAILS"),
        },
      });
      htmx.process(live);
      drawAll();
    });
    events.addEventListener("figures", (event) => {
      document.querySelectorAll("[data-chart]").forEach((box) => {
        box.dataset.figures = event.data;
        draw(box);
      });
    });
    events.addEventListener("ended", () => location.reload());
    events.addEventListener("error", async () => {
      const over = events.readyState === EventSource.CLOSED;
      say(over ? "Not live: reload the page" : "Reconnecting", true);
      // Whose session has ended is led to the form that opens the next one.
      if (over && (await fetch(location.href, { redirect: "manual" })).type === "opaqueredirect") location.reload();
    });
  };

  document.addEventListener("change", (event) => {
    if (!event.target.matches("[data-check-all]")) return;
    event.target.closest("form").querySelectorAll('input[type="checkbox"][name="id"]').forEach((box) => (box.checked = event.target.checked));
  });

  drawAll();
  if (live) follow();
})();
