// The charts: drawn by Vega when they come near, and again when the state asks for it.
//   adjust                     functions (figure, spec) that change a specification before it is drawn
//   draw(figure)               makes it anew; refill(figure) only gives it the rows that are not hidden
//   refresh(figures, redo)     now for those that are near, else when they come
"use strict";
((report) => {
  const { all, list, data } = report;
  const figures = all("figure");
  const adjust = [];
  const near = new Set();
  const stale = new Set();
  const hidden = () => new Set(list("hide"));

  const rows = (figure) => {
    const gone = hidden();
    // Vega marks the rows it is given: each view gets copies.
    return data.specs[figure.dataset.name].datasets.rows.filter((row) => !gone.has(row.s)).map((row) => ({ ...row }));
  };
  const config = (narrow) => {
    const made = structuredClone(data.config);
    if (narrow) {
      Object.assign(made.axis, { labelFontSize: 12, titleFontSize: 13, labelLimit: 150 });
      made.text.fontSize = 12;
    }
    return made;
  };
  const wanted = (figure) => {
    const spec = structuredClone(data.specs[figure.dataset.name]);
    adjust.forEach((change) => change(figure, spec));
    spec.datasets.rows = rows(figure);
    const narrow = figure.clientWidth < 480;
    return { ...spec, config: config(narrow), width: "container", height: Math.round(spec.height * (narrow ? 0.85 : 1)), autosize: { type: "fit-x", contains: "padding" } };
  };
  const drawn = (figure) => { figure.dataset.drawn = String(Number(figure.dataset.drawn || 0) + 1); };
  const draw = async (figure) => {
    stale.delete(figure);
    const turn = figure.turn = (figure.turn || 0) + 1;
    const chart = figure.querySelector(".chart");
    chart.hidden = false;
    // `ast` makes Vega read expressions with its interpreter: the policy allows no evaluation.
    const shown = await vegaEmbed(chart, wanted(figure), { mode: "vega-lite", renderer: "svg", actions: false, ast: true });
    if (turn !== figure.turn) return shown.finalize(); // another was asked for meanwhile
    if (figure.view) figure.view.finalize();
    figure.view = shown;
    // The figure has its name and description; what is drawn is read in the table behind it.
    chart.querySelector("svg").setAttribute("aria-hidden", "true");
    figure.classList.add("on");
    return drawn(figure);
  };
  const refill = async (figure) => {
    if (!figure.view) return draw(figure);
    await figure.view.view.data("rows", rows(figure)).runAsync();
    return drawn(figure);
  };
  const refresh = (some, redo) => some.forEach((figure) => {
    if (near.has(figure)) redo(figure); else stale.add(figure);
  });
  const watch = () => {
    const observer = new IntersectionObserver((entries) => entries.forEach(({ target, isIntersecting }) => {
      if (isIntersecting) { near.add(target); if (stale.has(target)) draw(target); } else near.delete(target);
    }), { rootMargin: "400px" });
    figures.forEach((figure) => { stale.add(figure); observer.observe(figure); });
    let width = innerWidth;
    addEventListener("resize", () => {
      if (innerWidth !== width) { width = innerWidth; refresh(figures, draw); }
    });
  };
  // The figures of a choice share one legend.
  const entries = (figure) => all(".legend li[data-series]", figure.closest(".choice") || figure);
  const tools = (figure) => figure.querySelector(":scope > .tools");
  Object.assign(report, { figures, adjust, hidden, stale, draw, refill, refresh, watch, entries, tools });
})(window.diffbench);
