// Sliders: each shows that column of its table which belongs to its value; kept as k:TABLE.
"use strict";
(({ all, get, set, tables }) => {
  all(".slider").forEach((box) => {
    const input = box.querySelector("input");
    const output = box.querySelector("output");
    const { name } = box.querySelector(".table").dataset;
    const [first, least, most] = ["first", "min", "max"].map((key) => Number(box.dataset[key] ?? input[key]));
    const columns = Array.from({ length: most - least + 1 }, (_, i) => least + i);
    const show = () => {
      output.value = input.value;
      tables.get(name).choose(new Set(columns.filter((k) => k !== input.valueAsNumber).map((k) => first + k - least)));
    };
    if (get("k:" + name)) input.value = get("k:" + name); // what is out of range the input corrects
    input.addEventListener("input", () => { show(); set("k:" + name, input.value); });
    box.hidden = false;
    show();
  });
})(window.diffbench);
