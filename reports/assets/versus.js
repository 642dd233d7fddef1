// Two methods side by side, cell by cell: from which call on the one costs less in all.
"use strict";
(() => {
  const { all, data, list, make, setList } = window.diffbench;
  const micro = (seconds) => Number((seconds * 1e6).toPrecision(3)).toLocaleString("en", { maximumSignificantDigits: 3, useGrouping: false });
  // Total of k calls: first + (k - 1) further; the lines cross where the dearer start is made good.
  const crossing = (start, further) => (start > 0 && further > 0 ? 1 + Math.ceil(start / further) : null);
  const verdict = (a, b, names) => {
    const [cheap, dear, name, other] = a[0] <= b[0] ? [a, b, ...names] : [b, a, names[1], names[0]];
    const [start, gain] = [dear[0] - cheap[0], cheap[1] - dear[1]];
    if (gain <= 0) return { text: name + ", at any number of calls" };
    const at = crossing(start, gain) ?? 1;
    const [soon, late] = [crossing(start, cheap[3] - dear[2]), crossing(start, cheap[2] - dear[3])];
    const range = soon === null ? "" : " (" + soon + (late === null ? " or more" : " to " + late) + ")";
    return { text: other + ", from call " + at + " on" + range, at };
  };
  all(".versus").forEach((box) => {
    const { series, rows, chosen } = data.versus[box.dataset.name];
    const key = "versus:" + box.dataset.name;
    const selects = all("select", box);
    const body = box.querySelector("tbody");
    const labels = new Map(series);
    const fill = () => {
      const names = selects.map((select) => select.value);
      const told = names.map((name) => labels.get(name));
      const both = rows.filter(([, times]) => names.every((name) => times[name]));
      body.replaceChildren(...both.map(([cell, times]) => {
        const [a, b] = names.map((name) => times[name]);
        const numbers = [a[0], b[0], a[1], b[1]].map((time) => make("td", { className: "n" }, micro(time)));
        return make("tr", {}, make("td", {}, cell), ...numbers, make("td", {}, verdict(a, b, told).text));
      }));
      box.querySelector(".said").textContent = told.join(" against ") + ": " + both.length + " cells that both answered.";
    };
    selects.forEach((select) => {
      select.append(...series.map(([name, label]) => make("option", { value: name }, label)));
      select.addEventListener("change", () => { setList(key, selects.map((other) => other.value)); fill(); });
    });
    const kept = list(key);
    const start = kept.length === 2 && kept.every((name) => labels.has(name)) ? kept : chosen;
    selects.forEach((select, i) => { select.value = start[i]; });
    fill();
    box.hidden = false;
  });
})();
