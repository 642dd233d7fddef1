// The behaviour of the report. Everything stands without it; nothing here asks the network.
"use strict";
(() => {
  const data = unpacked(JSON.parse(document.getElementById("data").textContent));
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const announce = (text) => { document.getElementById("announce").textContent = text; };
  const make = (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };
  const slug = (name) => name.replace(/[^A-Za-z0-9]+/g, "-");
  const download = (name, blob) => {
    const url = URL.createObjectURL(blob);
    const link = make("a", { href: url, download: name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  };

  // --- state: page anchor first, then key=value, all in the URL's hash --------------------------
  const state = { page: "", values: new Map() };
  const read = () => {
    const [page, ...pairs] = location.hash.slice(1).split("&");
    state.page = page;
    state.values = new Map(pairs.map((pair) => pair.split("=").map(decodeURIComponent)));
  };
  const save = () => {
    const pairs = [...state.values].map((pair) => pair.map(encodeURIComponent).join("="));
    history.replaceState(null, "", "#" + [state.page, ...pairs].join("&"));
  };
  const set = (key, value) => {
    if (value) state.values.set(key, value); else state.values.delete(key);
    save();
  };
  const get = (key) => state.values.get(key) || "";
  const list = (key) => (get(key) ? get(key).split("\u001f") : []);
  const setList = (key, names) => set(key, names.join("\u001f"));

  // --- theme -------------------------------------------------------------------------------------
  const themes = ["system", "light", "dark"];
  const theme = document.getElementById("theme");
  const applyTheme = () => {
    const wanted = themes.includes(get("theme")) ? get("theme") : "system";
    if (wanted === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = wanted;
    theme.textContent = "Theme: " + wanted;
  };
  theme.addEventListener("click", () => {
    const next = themes[(themes.indexOf(get("theme") || "system") + 1) % themes.length];
    set("theme", next === "system" ? "" : next);
    applyTheme();
  });

  // --- pages -------------------------------------------------------------------------------------
  const links = all(".top nav a");
  const mark = (id) => links.forEach((link) => {
    if (link.hash === "#" + id) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  });
  const go = (id, focus) => {
    const section = id && document.getElementById(id);
    if (!section) return;
    state.page = id;
    save();
    section.scrollIntoView();
    if (focus) { section.tabIndex = -1; section.focus({ preventScroll: true }); }
  };
  links.forEach((link) => link.addEventListener("click", (event) => {
    event.preventDefault();
    go(link.hash.slice(1), true);
  }));
  const sections = all("section.page");
  const follow = () => {
    const passed = sections.filter((section) => section.getBoundingClientRect().top < 140);
    mark((passed.at(-1) || sections[0] || {}).id);
  };
  addEventListener("scroll", follow, { passive: true });

  // --- charts ------------------------------------------------------------------------------------
  const figures = all("figure");
  const near = new Set();
  const stale = new Set();
  const linear = (figure, axis) => list("linear").includes(figure.dataset.name + ":" + axis);
  const hidden = () => new Set(list("hide"));

  const straighten = (spec, axis) => {
    const channel = (spec.encoding || {})[axis];
    if (channel && channel.scale && channel.scale.type === "log") {
      channel.scale = { zero: true };
      if (channel.axis) delete channel.axis.values;
    }
    (spec.layer || []).forEach((layer) => straighten(layer, axis));
  };
  const visible = (figure) => {
    const gone = hidden();
    // Vega marks the rows it is given: each view gets copies.
    return data.specs[figure.dataset.name].datasets.rows.filter((row) => !gone.has(row.s)).map((row) => ({ ...row }));
  };
  const wanted = (figure) => {
    const spec = structuredClone(data.specs[figure.dataset.name]);
    ["x", "y"].forEach((axis) => { if (linear(figure, axis)) straighten(spec, axis); });
    spec.datasets.rows = visible(figure);
    const narrow = figure.clientWidth < 480;
    const config = structuredClone(data.config);
    if (narrow) { config.axis.labelFontSize = 12; config.axis.titleFontSize = 13; config.axis.labelLimit = 150; config.text.fontSize = 12; }
    return { ...spec, config, width: "container", height: Math.round(spec.height * (narrow ? 0.85 : 1)), autosize: { type: "fit-x", contains: "padding" } };
  };
  const draw = async (figure) => {
    stale.delete(figure);
    const chart = figure.querySelector(".chart");
    chart.hidden = false;
    // `ast` makes Vega read expressions with its interpreter: the policy allows no evaluation.
    const shown = await vegaEmbed(chart, wanted(figure), { mode: "vega-lite", renderer: "svg", actions: false, ast: true });
    if (figure.view) figure.view.finalize();
    figure.view = shown;
    figure.classList.add("on");
    drawn(figure);
  };
  const drawn = (figure) => { figure.dataset.drawn = String(Number(figure.dataset.drawn || 0) + 1); };
  const refill = async (figure) => {
    if (!figure.view) return draw(figure);
    await figure.view.view.data("rows", visible(figure)).runAsync();
    return drawn(figure);
  };
  const refresh = (figures, redo) => figures.forEach((figure) => {
    if (near.has(figure)) redo(figure); else stale.add(figure);
  });
  const watch = () => {
    const observer = new IntersectionObserver((entries) => entries.forEach(({ target, isIntersecting }) => {
      if (isIntersecting) { near.add(target); if (stale.has(target)) draw(target); } else near.delete(target);
    }), { rootMargin: "400px" });
    figures.forEach((figure) => { stale.add(figure); observer.observe(figure); });
  };

  const axisButton = (figure, axis) => {
    const button = make("button", { type: "button" });
    const show = () => {
      const flat = linear(figure, axis);
      button.setAttribute("aria-pressed", String(flat));
      button.textContent = axis + " axis linear";
    };
    button.addEventListener("click", () => {
      const key = figure.dataset.name + ":" + axis;
      const names = list("linear");
      setList("linear", names.includes(key) ? names.filter((name) => name !== key) : [...names, key]);
      show();
      draw(figure);
    });
    show();
    return button;
  };
  const legends = [];
  const toggle = (name, alone, names) => {
    const gone = hidden();
    if (alone) names.forEach((other) => (other === name ? gone.delete(other) : gone.add(other)));
    else if (gone.has(name)) gone.delete(name); else gone.add(name);
    if (names.every((other) => gone.has(other))) names.forEach((other) => gone.delete(other));
    setList("hide", [...gone]);
    legends.forEach((show) => show());
    refresh(figures, refill);
  };
  const legend = (figure) => {
    const items = all(".legend li", figure);
    const names = items.map((item) => item.dataset.series);
    items.forEach((item) => {
      const name = item.dataset.series;
      const button = make("button", { type: "button", title: "Click: hide or show. Shift-click: only this one." }, ...item.childNodes);
      button.addEventListener("click", (event) => toggle(name, event.shiftKey, names));
      item.append(button);
      const show = () => button.setAttribute("aria-pressed", String(!hidden().has(name)));
      legends.push(show);
      show();
    });
  };
  const setUpFigure = (figure) => {
    const tools = figure.querySelector(":scope > .tools");
    ["x", "y"].filter((axis) => figure.dataset[axis]).forEach((axis) => tools.append(axisButton(figure, axis)));
    tools.hidden = !tools.childNodes.length;
    legend(figure);
  };

  // --- tables ------------------------------------------------------------------------------------
  const text = (cell) => {
    const summary = cell.querySelector("summary");
    return (summary || cell).textContent.trim();
  };
  const value = (cell) => (cell.dataset.v === undefined ? text(cell) : cell.dataset.v);
  const compare = (numeric) => (a, b) => {
    if (!numeric) return a.localeCompare(b, undefined, { numeric: true });
    const [x, y] = [a, b].map((v) => (v === "" || Number.isNaN(Number(v)) ? Infinity : Number(v)));
    return x === y ? 0 : x - y;
  };
  // A spreadsheet runs text that begins so as a formula; numbers are left alone.
  const guarded = (cell) => (/^[=+\-@\t\r]/.test(cell) && Number.isNaN(Number(cell)) ? "'" + cell : cell);
  const quoted = (cell) => (/[",\n\r]/.test(cell) ? '"' + cell.replaceAll('"', '""') + '"' : cell);

  const setUpTable = (box) => {
    const name = box.dataset.name;
    const table = box.querySelector("table");
    const head = [...table.tHead.rows[0].cells];
    const titles = head.map((cell) => cell.textContent);
    const rows = [...table.tBodies[0].rows];
    const tools = box.querySelector(".tools");
    const counter = make("span");
    const search = make("input", { type: "search" });
    const off = new Set();

    const sort = (column, descending) => {
      const numeric = head[column].classList.contains("n");
      const order = compare(numeric);
      const keys = rows.map((row) => value(row.cells[column]));
      const places = rows.map((_, i) => i).sort((i, j) => (descending ? -1 : 1) * order(keys[i], keys[j]) || i - j);
      table.tBodies[0].append(...places.map((i) => rows[i]));
      head.forEach((cell, i) => cell.setAttribute("aria-sort", i !== column ? "none" : descending ? "descending" : "ascending"));
    };
    const narrow = () => {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      rows.forEach((row) => {
        const content = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => content.includes(word));
      });
      counter.textContent = rows.filter((row) => !row.hidden).length + " of " + rows.length + " rows";
    };
    const columns = () => [head, ...rows.map((row) => row.cells)].forEach((cells) =>
      [...cells].forEach((cell, i) => { cell.hidden = off.has(i); }));
    const csv = () => {
      const shown = head.map((_, i) => i).filter((i) => !off.has(i));
      const lines = [...table.tBodies[0].rows].filter((row) => !row.hidden)
        .map((row) => shown.map((i) => quoted(guarded(value(row.cells[i])))));
      return [shown.map((i) => quoted(guarded(titles[i]))), ...lines].map((cells) => cells.join(",")).join("\r\n") + "\r\n";
    };
    const save = () => {
      download(slug(name) + ".csv", new Blob([csv()], { type: "text/csv" }));
      announce("CSV of " + counter.textContent);
    };

    head.forEach((cell, i) => {
      const button = make("button", { type: "button" }, ...cell.childNodes);
      cell.append(button);
      cell.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const descending = cell.getAttribute("aria-sort") === "ascending";
        sort(i, descending);
        set("sort:" + name, i + (descending ? "d" : ""));
      });
      if (cell.dataset.off) off.add(i);
    });
    const chooser = make("details", { className: "columns" }, make("summary", {}, "Columns"));
    const boxes = make("div");
    head.forEach((_, i) => {
      const check = make("input", { type: "checkbox", checked: !off.has(i) });
      check.addEventListener("change", () => {
        if (check.checked) off.delete(i); else off.add(i);
        columns();
        setList("off:" + name, ["-", ...[...off].map(String)]);
      });
      boxes.append(make("label", {}, check, titles[i]));
    });
    chooser.append(boxes);
    search.addEventListener("input", () => { narrow(); set("find:" + name, search.value); });
    const saver = make("button", { type: "button" }, "CSV of these rows");
    saver.addEventListener("click", save);
    if (!box.classList.contains("plain")) tools.append(make("label", {}, "Filter", search), chooser);
    tools.append(saver, counter);
    tools.hidden = false;

    const kept = list("off:" + name);
    if (kept.length) {
      off.clear();
      kept.slice(1).forEach((i) => off.add(Number(i)));
      all("input", boxes).forEach((check, i) => { check.checked = !off.has(i); });
    }
    columns();
    search.value = get("find:" + name);
    narrow();
    const order = get("sort:" + name);
    if (order && head[parseInt(order, 10)]) sort(parseInt(order, 10), order.endsWith("d"));
  };

  // --- start -------------------------------------------------------------------------------------
  read();
  theme.hidden = false;
  applyTheme();
  all(".table").forEach((box) => {
    const behind = box.closest("details.behind");
    if (!behind) setUpTable(box);
    else behind.addEventListener("toggle", () => setUpTable(box), { once: true });
  });
  figures.forEach(setUpFigure);
  all(".choice").forEach(legend);
  window.diffbench = { all, data, list, make, setList }; // for the scripts after this one
  if (window.vegaEmbed) watch();
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth !== width) { width = innerWidth; refresh(figures, draw); }
  });
  addEventListener("beforeprint", () => all("details.behind").forEach((behind) => { behind.open = true; }));
  if (state.page) document.getElementById(state.page)?.scrollIntoView();
  follow();
  window.diffbench = { all, make, announce, slug, download, get, set }; // for the scripts of single pages
  document.documentElement.dataset.ready = "1";
})();
