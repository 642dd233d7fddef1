// Choosers: of the options of a choice one is shown; which one stands in the URL.
"use strict";
(() => {
  const { all, list, make, setList } = window.diffbench;
  all(".choice").forEach((choice) => {
    const key = "pick:" + choice.dataset.name;
    const selects = all(".picks select", choice);
    const options = all(":scope > .option", choice);
    const words = options.map((option) => selects.map((_, i) => option.getAttribute("data-key-" + i)));
    const show = (chosen) => {
      options.forEach((option, i) => { option.open = i === chosen; option.hidden = i !== chosen; });
      selects.forEach((select, i) => { select.value = words[chosen][i]; });
    };
    // The option that agrees with the word just chosen and with as many of the others as any does.
    const nearest = (wanted, at) => {
      const agreed = words.map((mine) => (mine[at] === wanted[at] ? mine.filter((word, i) => word === wanted[i]).length : -1));
      return agreed.indexOf(Math.max(...agreed));
    };
    selects.forEach((select, i) => {
      select.append(...[...new Set(words.map((mine) => mine[i]))].map((word) => make("option", { value: word }, word)));
      select.addEventListener("change", () => {
        const chosen = nearest(selects.map((other) => other.value), i);
        show(chosen);
        setList(key, chosen ? words[chosen] : []);
      });
    });
    const kept = list(key);
    show(Math.max(0, words.findIndex((mine) => kept.length && mine.every((word, i) => word === kept[i]))));
    choice.classList.add("on");
    choice.querySelector(".picks").hidden = options.length < 2;
  });
})();
