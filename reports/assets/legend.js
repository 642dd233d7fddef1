// Legends: a click hides a series in every chart, with Shift it leaves only this one.
"use strict";
(({ all, button, make, figures, hidden, setList, refresh, refill }) => {
  const legends = [];
  const change = (gone) => {
    setList("hide", [...gone]);
    legends.forEach((show) => show());
    refresh(figures, refill);
  };
  const toggle = (name, alone, names) => {
    const gone = hidden();
    if (alone) names.forEach((other) => (other === name ? gone.delete(other) : gone.add(other)));
    else if (gone.has(name)) gone.delete(name); else gone.add(name);
    if (names.every((other) => gone.has(other))) names.forEach((other) => gone.delete(other));
    change(gone);
  };
  const entry = (item, names) => {
    const name = item.dataset.series;
    const made = button("", (event) => toggle(name, event.shiftKey, names), { title: "Click or Enter: hide or show. With Shift: only this one." });
    made.append(...item.childNodes);
    item.append(made);
    return () => made.setAttribute("aria-pressed", String(!hidden().has(name)));
  };
  const setUp = (figure) => {
    const items = all(".legend li", figure);
    const names = items.map((item) => item.dataset.series);
    const entries = items.map((item) => entry(item, names));
    const every = make("li", { className: "every" }, button("Show all", () => {
      const gone = hidden();
      names.forEach((name) => gone.delete(name));
      change(gone);
      items[0].querySelector("button").focus();
    }));
    figure.querySelector(".legend")?.append(every);
    const show = () => {
      entries.forEach((each) => each());
      every.hidden = !names.some((name) => hidden().has(name));
    };
    legends.push(show);
    show();
  };
  [...figures, ...all(".choice")].forEach(setUp);
})(window.diffbench);
