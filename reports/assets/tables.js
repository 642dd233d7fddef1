// Tables: sort, filter, choose columns, and the CSV of what is left.
//   tables   by name, {choose(off)}: hides the columns with these numbers
"use strict";
((report) => {
  const { all, make, button, announce, saveCsv, get, set, list, setList } = report;
  const tables = new Map();
  const text = (cell) => (cell.querySelector("summary") || cell).textContent.trim();
  const value = (cell) => (cell.dataset.v === undefined ? text(cell) : cell.dataset.v);
  // What is missing comes last, whichever way round.
  const compare = (numeric, descending) => {
    const missing = (text) => Number(text === "" || (numeric && Number.isNaN(Number(text))));
    const order = numeric ? (a, b) => a - b : (a, b) => a.localeCompare(b, undefined, { numeric: true });
    return (a, b) => missing(a) - missing(b) || (descending ? -1 : 1) * order(a, b);
  };

  // What no reader has asked for costs nothing: rows are touched by a sort or a filter alone.
  const setUp = (box) => {
    const name = box.dataset.name;
    const plain = box.classList.contains("plain"); // without a filter and a choice of columns
    const table = box.querySelector("table");
    const head = [...table.tHead.rows[0].cells];
    const titles = head.map((cell) => cell.textContent);
    const rows = [...table.tBodies[0].rows];
    const tools = box.querySelector(".tools");
    const counter = make("span");
    const search = make("input", { type: "search" });
    const hiding = box.appendChild(make("style"));
    let off = new Set(head.flatMap((cell, i) => (cell.dataset.off ? [i] : [])));

    const sort = (column, descending) => {
      const order = compare(head[column].classList.contains("n"), descending);
      const keys = rows.map((row) => value(row.cells[column]));
      const places = rows.map((_, i) => i).sort((i, j) => order(keys[i], keys[j]) || i - j);
      table.tBodies[0].append(...places.map((i) => rows[i]));
      head.forEach((cell, i) => cell.setAttribute("aria-sort", i !== column ? "none" : descending ? "descending" : "ascending"));
    };
    const narrow = () => {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      rows.forEach((row) => {
        const content = words.length ? row.textContent.toLowerCase() : "";
        row.hidden = !words.every((word) => content.includes(word));
      });
      counter.textContent = rows.filter((row) => !row.hidden).length + " of " + rows.length + " rows";
    };
    const choose = (wanted) => {
      off = wanted;
      const cells = [...off].map((i) => `[id="${box.id}"] tr > :nth-child(${i + 1})`);
      hiding.textContent = cells.length ? cells.join(",") + "{display:none}" : "";
    };
    const csv = () => {
      const shown = head.map((_, i) => i).filter((i) => !off.has(i));
      const lines = [...table.tBodies[0].rows].filter((row) => !row.hidden)
        .map((row) => shown.map((i) => value(row.cells[i])));
      return [shown.map((i) => titles[i]), ...lines];
    };

    head.forEach((cell, i) => {
      const made = button("", () => {
        const descending = cell.getAttribute("aria-sort") === "ascending";
        sort(i, descending);
        set("sort:" + name, i + (descending ? "d" : ""));
      });
      made.append(...cell.childNodes);
      cell.append(made);
      cell.setAttribute("aria-sort", "none");
    });
    const chooser = () => {
      const boxes = make("div");
      head.forEach((_, i) => {
        const check = make("input", { type: "checkbox", checked: !off.has(i) });
        check.addEventListener("change", () => {
          if (check.checked) off.delete(i); else off.add(i);
          choose(off);
          setList("off:" + name, ["-", ...[...off].map(String)]);
        });
        boxes.append(make("label", {}, check, titles[i]));
      });
      return make("details", { className: "columns" }, make("summary", {}, "Columns"), boxes);
    };

    const kept = plain ? [] : list("off:" + name);
    choose(kept.length ? new Set(kept.slice(1).map(Number)) : off);
    if (!plain) tools.append(make("label", {}, "Filter", search), chooser());
    tools.append(button("CSV of these rows", () => {
      saveCsv(name, csv());
      announce("CSV of " + counter.textContent);
    }), counter);
    tools.hidden = false;
    search.addEventListener("input", () => { narrow(); set("find:" + name, search.value); });
    search.value = plain ? "" : get("find:" + name);
    if (search.value) narrow(); else counter.textContent = rows.length + " of " + rows.length + " rows";
    const order = get("sort:" + name);
    if (order && head[parseInt(order, 10)]) sort(parseInt(order, 10), order.endsWith("d"));
    tables.set(name, { choose });
  };
  all(".table").forEach((box) => {
    const behind = box.closest("details.behind");
    if (!behind) setUp(box);
    else behind.addEventListener("toggle", () => setUp(box), { once: true });
  });
  Object.assign(report, { tables });
})(window.diffbench);
