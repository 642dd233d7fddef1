// Axes: logarithmic as they come, linear by a button.
"use strict";
(({ list, setList, button, figures, adjust, draw, tools }) => {
  const key = (figure, axis) => figure.dataset.name + ":" + axis;
  const linear = (figure, axis) => list("linear").includes(key(figure, axis));
  const straighten = (spec, axis) => {
    const channel = (spec.encoding || {})[axis];
    if (channel && channel.scale && channel.scale.type === "log") {
      channel.scale = { zero: true };
      if (channel.axis) delete channel.axis.values;
    }
    (spec.layer || []).forEach((layer) => straighten(layer, axis));
  };
  adjust.push((figure, spec) => ["x", "y"].forEach((axis) => { if (linear(figure, axis)) straighten(spec, axis); }));

  const axisButton = (figure, axis) => {
    const made = button(axis + " axis linear", () => {
      const name = key(figure, axis);
      const names = list("linear");
      setList("linear", names.includes(name) ? names.filter((other) => other !== name) : [...names, name]);
      show();
      draw(figure);
    });
    const show = () => made.setAttribute("aria-pressed", String(linear(figure, axis)));
    show();
    return made;
  };
  figures.forEach((figure) => ["x", "y"].filter((axis) => figure.dataset[axis])
    .forEach((axis) => tools(figure).append(axisButton(figure, axis))));
})(window.diffbench);
