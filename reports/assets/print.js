// Printing: figures that the reader has changed are printed as changed, the others as they came.
// Those of a chosen option came without a picture: they are drawn, though nobody has scrolled there.
"use strict";
(({ button, figures, entries, hidden, stale, draw, list, get }) => {
  const changed = (figure) => {
    const { name } = figure.dataset;
    const gone = hidden();
    return Boolean(get("zoom:" + name)) || list("linear").some((key) => key.startsWith(name + ":"))
      || entries(figure).some((item) => gone.has(item.dataset.series));
  };
  const bare = (figure) => !figure.querySelector(".static") && !figure.closest("[hidden]");
  const mark = () => figures.forEach((figure) => figure.classList.toggle("changed", figure.matches(".on") && changed(figure)));
  addEventListener("beforeprint", mark);
  const print = button("Print", async () => {
    for (const figure of [...stale].filter((each) => changed(each) || bare(each))) await draw(figure);
    window.print();
  }, { className: "live", id: "print" });
  document.getElementById("theme").before(print);
})(window.diffbench);
