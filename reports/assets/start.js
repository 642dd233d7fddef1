// The last: every control stands, so the charts may come.
"use strict";
(({ watch }) => {
  if (window.vegaEmbed) watch();
  document.documentElement.dataset.ready = "1";
})(window.diffbench);
