// The last: every control stands, so the charts may come.
"use strict";
(({ figures, tools, watch }) => {
  figures.forEach((figure) => { tools(figure).hidden = !tools(figure).childNodes.length; });
  if (window.vegaEmbed) watch();
  document.documentElement.dataset.ready = "1";
})(window.diffbench);
