// The theme: that of the system, or light or dark by hand.
"use strict";
(({ get, set }) => {
  const themes = ["system", "light", "dark"];
  const theme = document.getElementById("theme");
  const wanted = () => (themes.includes(get("theme")) ? get("theme") : "system");
  const show = () => {
    if (wanted() === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = wanted();
    theme.textContent = "Theme: " + wanted();
  };
  theme.addEventListener("click", () => {
    const next = themes[(themes.indexOf(wanted()) + 1) % themes.length];
    set("theme", next === "system" ? "" : next);
    show();
  });
  theme.hidden = false;
  show();
})(window.diffbench);
