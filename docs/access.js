// What the theme lacks for keyboards and screen readers.
window.addEventListener("load", () => {
  // What is wider than the screen is scrolled by keyboard, too
  for (const table of document.querySelectorAll(".md-typeset__scrollwrap, .highlight pre > code")) {
    if (table.scrollWidth > table.clientWidth) table.tabIndex = 0;
  }
  // Markdown knows no column without a title
  for (const cell of document.querySelectorAll("th:empty")) {
    cell.replaceWith(document.createElement("td"));
  }
  document.querySelector(".md-search")?.setAttribute("aria-label", "Search");
  // The buttons of each block of code come later, as landmarks that all have one name
  const rename = () => {
    for (const nav of document.querySelectorAll(".md-code__nav:not([role])")) nav.role = "none";
  };
  new MutationObserver(rename).observe(document.body, { childList: true, subtree: true });
  rename();
});
