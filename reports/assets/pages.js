// The menu: goes to a page, and marks the one that is read.
"use strict";
(({ all, state, save }) => {
  const links = all(".top nav a");
  const bar = document.querySelector(".top nav");
  const sections = all("section.page");
  let marked = "";
  const mark = (id) => {
    if (id === marked) return;
    marked = id;
    links.forEach((link) => {
      if (link.hash !== "#" + id) return link.removeAttribute("aria-current");
      link.setAttribute("aria-current", "true");
      // On a narrow screen the menu is one line, which follows the reader.
      return bar.scrollTo({ left: link.offsetLeft - (bar.clientWidth - link.offsetWidth) / 2 });
    });
  };
  const go = (id) => {
    const section = document.getElementById(id);
    state.page = id;
    save();
    section.scrollIntoView();
    section.tabIndex = -1;
    section.focus({ preventScroll: true });
  };
  links.forEach((link) => link.addEventListener("click", (event) => {
    event.preventDefault();
    go(link.hash.slice(1));
  }));
  // What sticks below the menu, and where a page begins, is as far down as the menu is high.
  const menu = document.querySelector(".top");
  const measure = () => document.documentElement.style.setProperty("--top", menu.offsetHeight + "px");
  new ResizeObserver(measure).observe(menu);
  measure();
  const follow = () => {
    const passed = sections.filter((section) => section.getBoundingClientRect().top < menu.offsetHeight + 60);
    mark((passed.at(-1) || sections[0] || {}).id);
  };
  addEventListener("scroll", follow, { passive: true });
  if (state.page) document.getElementById(state.page)?.scrollIntoView();
  follow();
})(window.diffbench);
