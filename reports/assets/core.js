// What the report's scripts share: small helpers, and the state that the address keeps.
// Everything stands without these scripts, and none of them asks the network.
//
// window.diffbench, which each file takes from and adds to, in the order of SCRIPTS in build.py:
//   get(key), set(key, value)        one text of the state; "" is none
//   list(key), setList(key, names)   several texts
//   state.page, save(as)             what was gone to; as "pushState", to come back from there
//   saveCsv(name, rows)              a download of rows of texts
//   data                             what build.py put beside the page: config and specs
// The address is #page&key=value&..., with the keys theme, hide, linear, zoom:FIGURE, pick:CHOICE, versus:BOX, sort:TABLE,
// find:TABLE, off:TABLE, k:TABLE and live. Entries of the history that these scripts wrote are marked
// by the state true; those that a reader has typed are not.
"use strict";
window.diffbench = (() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const make = (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };
  const button = (text, click, properties = {}) => {
    const made = make("button", { type: "button", ...properties }, text);
    made.addEventListener("click", click);
    return made;
  };
  const announce = (text) => { document.getElementById("announce").textContent = text; };
  const slug = (name) => name.replace(/[^A-Za-z0-9]+/g, "-");
  const download = (name, blob) => {
    const url = URL.createObjectURL(blob);
    const link = make("a", { href: url, download: name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  };
  // A spreadsheet runs text that begins so as a formula; numbers are left alone.
  const guarded = (cell) => (/^[=+\-@\t\r]/.test(cell) && Number.isNaN(Number(cell)) ? "'" + cell : cell);
  const quoted = (cell) => (/[",\n\r]/.test(cell) ? '"' + cell.replaceAll('"', '""') + '"' : cell);
  const line = (cells) => cells.map((cell) => quoted(guarded(cell))).join(",") + "\r\n";
  const saveCsv = (name, rows) => download(slug(name) + ".csv", new Blob(rows.map(line), { type: "text/csv" }));

  const state = { page: "", values: new Map() };
  // What somebody typed may hold a lone %.
  const decoded = (text) => {
    try { return decodeURIComponent(text); } catch { return text; }
  };
  const read = () => {
    const [page, ...pairs] = location.hash.slice(1).split("&");
    state.page = page;
    state.values = new Map(pairs.map((pair) => pair.split("=").map(decoded)));
  };
  const save = (as = "replaceState") => {
    const pairs = [...state.values].map((pair) => pair.map(encodeURIComponent).join("="));
    history[as](true, "", "#" + [state.page, ...pairs].join("&"));
  };
  const get = (key) => state.values.get(key) || "";
  const set = (key, value) => {
    if (value) state.values.set(key, value); else state.values.delete(key);
    save();
  };
  const list = (key) => (get(key) ? get(key).split("\u001f") : []);
  const setList = (key, names) => set(key, names.join("\u001f"));

  read();
  const data = unpacked(JSON.parse(document.getElementById("data").textContent));
  return { all, make, button, announce, slug, download, saveCsv, state, save, get, set, list, setList, data };
})();
