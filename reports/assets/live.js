// The served page alone: asks the server whether a newer page was built, and loads it.
// The address keeps the state, so that a reload changes nothing but the numbers.
"use strict";
(({ all, get, set, make, button, announce }) => {
  const SECONDS = 2;
  const version = document.documentElement.dataset.version;
  const said = make("span");
  const following = () => get("live") !== "off";
  let ended = false;
  // What the address does not keep: a filter that is being typed, and the answers of an exercise.
  const typing = () => all(".lines input").some(({ value }) => value)
    || (document.activeElement?.matches("input[type=search]") && document.activeElement.value !== "");
  const show = () => {
    toggle.setAttribute("aria-pressed", String(following()));
    said.textContent = following() ? "follows the run" : "stands still";
  };
  const toggle = button("Live", () => {
    set("live", following() ? "off" : "");
    show();
    if (ended && following()) ask();
  });
  const ask = async () => {
    let answer;
    ended = false;
    try {
      answer = await fetch("/version", { headers: { "If-None-Match": `"${version}"` }, cache: "no-store" });
    } catch {
      ended = true;
      said.textContent = "the server has ended; this page stays as it is";
      announce(said.textContent);
      return;
    }
    if (answer.status === 200 && following() && !typing() && !document.hidden) location.reload();
    else setTimeout(ask, 1000 * SECONDS);
  };
  document.getElementById("theme").before(make("p", { className: "following" }, toggle, said));
  show();
  setTimeout(ask, 1000 * SECONDS);
})(window.diffbench);
