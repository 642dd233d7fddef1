// Traces: one at a time, step by step, in three notations, and as an exercise.
"use strict";
(({ all, make, button, announce, saveCsv, get, set }) => {
  const boxes = all(".steps");
  if (!boxes.length) return;
  const wide = matchMedia("(min-width: 1000px)");
  const NOTATIONS = { full: "all digits", slides: "3 digits, as on the slides", hex: "hexadecimal" };
  const notation = () => (get("digits") in NOTATIONS ? get("digits") : "full");
  const exercise = () => get("exercise") === "1";
  const inside = (text) => text.replace(/\s+/g, " ").trim();
  // As the store has it: v-1 for v with a lowered -1, * for the sign of multiplication.
  const stored = (text) => inside(text).replace(/[\u2080-\u2089]/g, (c) => String(c.charCodeAt(0) - 0x2080)).replaceAll("\u208b", "-").replaceAll("\u00d7", "*");

  // --- one trace: what can be asked of it -------------------------------------------------------
  const traceOf = (box) => {
    const forms = new Map(box.dataset.forms.split(";").map((three) => {
      const [full, slides, hex] = three.split(" ");
      return [full, { full, slides, hex }];
    }));
    const numbers = all("tbody b", box).map((element) => ({ element, full: element.textContent }));
    const rows = all("tbody tr[data-n]", box).map((row) => {
      const table = row.closest("table");
      const [head, equation, written, value] = row.cells;
      return {
        row, head, equation, written, value,
        role: table.caption.textContent.trim(),
        name: head.textContent.split("\u00a0")[0],
        full: value.textContent,
        node: row.dataset.n,
        given: row.classList.contains("given"),
      };
    });
    const values = rows.filter(({ role }) => role === rows[0].role);
    const born = new Map(values.map(({ node }, k) => [node, k + 1])); // the step that gives its value
    const nodes = all(".node", box).map((element) => {
      const second = element.querySelector(".adj");
      return { element, node: element.dataset.n, value: element.querySelector(".val"), second, whole: second.textContent };
    });
    const roles = [...new Set(rows.map(({ role }) => role))];
    // The program has one line for each value and each adjoint, in the same order.
    const code = box.querySelector("code");
    const source = code.textContent.split("\n").map((text) => make("span", { textContent: text + "\n" }));
    code.replaceChildren(...source);
    const lines = source.filter((line) => line.textContent.startsWith("    v"));
    rows.filter(({ role }) => !role.startsWith("Tangent")).forEach((r, k) => { r.line = lines[k]; });
    return { box, name: box.dataset.name, forms, numbers, rows, born, nodes, roles, edges: all("[data-e]:not(tr)", box) };
  };

  const write = (trace) => {
    const wanted = notation();
    trace.numbers.forEach(({ element, full }) => { element.textContent = trace.forms.get(full)[wanted]; });
  };

  // --- stepping -----------------------------------------------------------------------------------
  const stepOf = (trace) => {
    const step = Number(get("step"));
    return Number.isInteger(step) && step > 0 && step <= trace.rows.length ? step : 0;
  };
  // What a node's second number is at a step: its tangent or adjoint of the table that is worked at.
  const secondAt = (trace, node, step) => {
    const { role } = trace.rows[step - 1];
    const last = trace.rows.slice(0, step).filter((r) => r.role === role && r.node === node).at(-1);
    return last && role !== trace.rows[0].role ? last.name + " = " + trace.forms.get(last.full).slides : "";
  };
  const light = (trace) => {
    const step = stepOf(trace);
    const now = step ? trace.rows[step - 1] : undefined;
    trace.rows.forEach((r, k) => {
      r.row.classList.toggle("later", Boolean(step) && k >= step);
      if (r.line) r.line.classList.toggle("lit", r === now);
      if (r === now) r.row.setAttribute("aria-current", "step"); else r.row.removeAttribute("aria-current");
    });
    trace.nodes.forEach(({ element, node, value, second, whole }) => {
      element.classList.toggle("lit", Boolean(now) && now.node === node);
      value.classList.toggle("later", Boolean(step) && trace.born.get(node) > step);
      second.textContent = step ? secondAt(trace, node, step) : whole;
    });
    trace.edges.forEach((edge) => {
      const [target] = edge.dataset.e.split(".");
      const used = now && (now.row.dataset.e ? now.row.dataset.e === edge.dataset.e : now.node === target);
      edge.classList.toggle("lit", Boolean(used));
      edge.classList.toggle("later", edge.matches(".part") && Boolean(step) && trace.born.get(target) > step);
    });
    trace.where.textContent = now
      ? "Step " + step + " of " + trace.rows.length + ", " + now.role + ": " + inside(now.head.textContent + " " + now.equation.textContent)
      : trace.rows.length + " steps; the arrow keys or the buttons lead through them.";
    // They keep the focus of who presses them by keys, and lead nowhere.
    trace.back.setAttribute("aria-disabled", String(!step));
    trace.forth.setAttribute("aria-disabled", String(step === trace.rows.length));
    trace.whole.setAttribute("aria-disabled", String(!step));
  };
  const goTo = (trace, step) => {
    set("step", step ? String(step) : "");
    light(trace);
    // In one column the reader stays with the buttons and the graph.
    if (step && wide.matches) trace.rows[step - 1].row.scrollIntoView({ block: "nearest" });
  };
  const move = (trace, by) => {
    const step = stepOf(trace) + by;
    if (step >= 0 && step <= trace.rows.length) goTo(trace, step);
  };

  // --- exercise -----------------------------------------------------------------------------------
  const HEX = /^([+-]?)0x([01])(?:\.([0-9a-f]*))?p([+-]?\d+)$/i;
  const parsed = (text) => {
    const hex = HEX.exec(text);
    if (!hex) return text === "" ? NaN : Number(text.replace(",", ".").replace("\u2212", "-"));
    const [, sign, lead, digits = "", power] = hex;
    const whole = BigInt("0x" + lead + digits.padEnd(13, "0").slice(0, 13));
    return (sign === "-" ? -1 : 1) * Number(whole) * 2 ** -52 * 2 ** Number(power);
  };
  // Half a unit of the last digit that is shown; with all digits, or in hexadecimal, nothing.
  const tolerance = (shown) => {
    if (notation() !== "slides") return 0;
    const [digits, power = "0"] = shown.toLowerCase().split("e");
    const small = Number(shown) !== 0 && Math.abs(Number(shown)) < 0.01;
    const places = small ? (digits.split(".")[1] || "").length : 3;
    return 0.5 * 10 ** (Number(power) - places) * (1 + 1e-9);
  };
  const isRight = (trace, r, typed) => {
    const { full, slides } = trace.forms.get(r.full);
    if (full === "nan") return /^nan$/i.test(typed);
    if (/inf/.test(full)) return typed.toLowerCase().replace("inity", "").replace("+", "") === full;
    return Math.abs(parsed(typed) - Number(full)) <= tolerance(slides);
  };
  const blank = (trace) => {
    const on = exercise();
    trace.box.classList.toggle("exercise", on);
    trace.rows.filter(({ given }) => !given).forEach((r) => {
      if (on && !r.input) {
        r.input = make("input", { type: "text", autocomplete: "off", spellcheck: false });
        r.input.setAttribute("aria-label", inside(r.role + ": " + r.head.textContent));
        r.mark = make("span", { className: "mark" });
        r.input.addEventListener("input", () => tell(r, ""));
        r.input.addEventListener("keydown", (event) => { if (event.key === "Enter") check(trace); });
        r.value.append(r.input, r.mark);
      } else if (!on && r.input) {
        r.input.remove();
        r.mark.remove();
        r.input = r.mark = undefined;
      }
    });
    trace.check.hidden = !on;
    if (!on) trace.score.textContent = "";
  };
  const tell = (r, verdict) => {
    r.mark.textContent = verdict;
    r.mark.className = "mark " + verdict;
    if (verdict === "wrong") r.input.setAttribute("aria-invalid", "true"); else r.input.removeAttribute("aria-invalid");
  };
  const check = (trace) => {
    const asked = trace.rows.filter(({ input }) => input);
    const filled = asked.filter(({ input }) => input.value.trim());
    asked.forEach((r) => tell(r, ""));
    filled.forEach((r) => tell(r, isRight(trace, r, r.input.value.trim()) ? "right" : "wrong"));
    const right = filled.filter(({ mark }) => mark.textContent === "right").length;
    trace.score.textContent = right + " right, " + (filled.length - right) + " wrong, " + (asked.length - filled.length) + " still blank";
    announce(trace.score.textContent);
  };
  const key = (trace) => {
    const cells = trace.rows.map((r) => {
      const full = r.written.cloneNode(true);
      const mine = new Map(trace.numbers.map((n) => [n.element, n.full]));
      all("b", r.written).forEach((element, k) => { all("b", full)[k].textContent = mine.get(element); });
      return [r.role, ...[r.head, r.equation, full].map((cell) => stored(cell.textContent)), r.full];
    });
    saveCsv("answers " + trace.name, [["table", "variable", "equation", "with numbers", "value"], ...cells]);
    announce("Answer key of " + cells.length + " lines");
  };

  // --- controls -----------------------------------------------------------------------------------
  const traces = boxes.map(traceOf);
  const shown = () => traces.find(({ name }) => name === get("trace")) || traces[0];
  const equip = (trace) => {
    const tools = trace.box.querySelector(":scope > .tools");
    trace.back = button("\u25c0 Back", () => move(trace, -1));
    trace.forth = button("Forward \u25b6", () => move(trace, 1));
    trace.whole = button("Show all", () => goTo(trace, 0));
    trace.where = make("span", { className: "where" });
    trace.where.setAttribute("role", "status");
    trace.check = button("Check", () => check(trace));
    trace.score = make("strong", { className: "score" });
    const jumps = trace.roles.map((role) => button(role, () => goTo(trace, trace.rows.findIndex((r) => r.role === role) + 1)));
    tools.append(trace.back, trace.forth, trace.whole, make("span", {}, "Go to"), ...jumps);
    tools.append(trace.check, trace.score, trace.where);
    tools.hidden = false;
  };
  const choice = (label, key, options, current, changed) => {
    const made = make("select", {}, ...options.map(([value, text]) => make("option", { value }, text)));
    made.setAttribute("aria-label", label); // without the names of its options
    made.value = current();
    made.addEventListener("change", () => { set(key, made.value === options[0][0] ? "" : made.value); changed(); });
    return make("label", {}, label, made);
  };
  const show = () => {
    traces.forEach((trace) => { trace.box.hidden = trace !== shown(); });
    light(shown());
  };
  const top = make("div", { className: "tools live trace-tools" });
  const practise = button("Exercise", () => {
    set("exercise", exercise() ? "" : "1");
    practise.setAttribute("aria-pressed", String(exercise()));
    traces.forEach(blank);
  });
  practise.setAttribute("aria-pressed", String(exercise()));
  top.append(
    choice("Trace", "trace", traces.map(({ name }) => [name, name]), () => shown().name, () => { set("step", ""); show(); }),
    choice("Numbers", "digits", Object.entries(NOTATIONS), notation, () => traces.forEach(write)),
    practise,
    button("Answer key (CSV)", () => key(shown())),
  );
  boxes[0].before(top);
  traces.forEach((trace) => { equip(trace); write(trace); blank(trace); });
  show();

  // Arrows step where the trace is what the reader looks at: from its own parts, or once begun, while
  // it is on the screen.
  const onScreen = (box) => {
    const { top, bottom } = box.getBoundingClientRect();
    return top < innerHeight && bottom > 0;
  };
  addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const at = event.target;
    if (!by || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (at.matches?.("input, select, textarea, .scroll, pre")) return;
    if (!at.closest?.(".steps, .trace-tools") && !(at === document.body && stepOf(shown()) && onScreen(shown().box))) return;
    event.preventDefault();
    move(shown(), by);
  });
})(window.diffbench);
