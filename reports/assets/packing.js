// The reverse of reports/packing.py: specifications are put together when they are first asked for.
"use strict";
const unpacked = (data) => {
  const rowsOf = (columns) => {
    const names = Object.keys(columns);
    const lists = names.map((name) => {
      const column = columns[name];
      return Array.isArray(column) ? column : column.$at.map((at) => column.$words[at]);
    });
    return lists[0].map((_, i) => Object.fromEntries(names.map((name, k) => [name, lists[k][i]])));
  };
  const whole = (part) => {
    if (part === null || typeof part !== "object") return part;
    if (Array.isArray(part)) return part.map(whole);
    if ("$pool" in part) return whole(data.pool[part.$pool]);
    if ("$columns" in part) return rowsOf(whole(part.$columns));
    return Object.fromEntries(Object.entries(part).map(([key, value]) => [key, whole(value)]));
  };
  const specs = {};
  for (const name of Object.keys(data.specs)) {
    let made;
    Object.defineProperty(specs, name, { enumerable: true, get: () => (made ??= whole(data.specs[name])) });
  }
  return { ...data, specs };
};
