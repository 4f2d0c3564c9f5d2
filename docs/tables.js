// Tables that are wider than the screen are scrolled by keyboard, too.
window.addEventListener("load", () => {
  for (const table of document.querySelectorAll(".md-typeset__scrollwrap, .highlight pre > code")) {
    if (table.scrollWidth > table.clientWidth) table.tabIndex = 0;
  }
});
