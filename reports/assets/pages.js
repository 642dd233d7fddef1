// The menu and all links within the report; the menu marks the page that is read.
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
  const go = (target) => {
    state.page = target.id;
    save("pushState");
    target.scrollIntoView();
    target.tabIndex = -1;
    target.focus({ preventScroll: true });
  };
  addEventListener("click", (event) => {
    const link = event.target.closest?.('a[href^="#"]');
    const target = link && document.getElementById(link.hash.slice(1));
    // With a key held the browser opens a tab or a window.
    if (!target || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    go(target);
  });
  const reach = () => document.getElementById(state.page)?.scrollIntoView();
  // Back and Forward keep what is chosen by now; an address that was typed is opened as it stands.
  history.replaceState(true, "");
  addEventListener("hashchange", () => {
    [state.page] = location.hash.slice(1).split("&");
    if (history.state) return save();
    reach(); // for a reload comes back to where the reader was
    return location.reload();
  });
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
  reach();
  follow();
})(window.diffbench);
