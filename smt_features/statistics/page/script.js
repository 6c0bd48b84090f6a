"use strict";
// Sorts tables, filters columns, chooses the split and the theme. Without it all is still shown.

const root = document.documentElement;

// Theme: the system's, until the reader chooses.
const theme = document.getElementById("theme");
const systemIsDark = matchMedia("(prefers-color-scheme: dark)");
function isDark() {
  return root.dataset.theme ? root.dataset.theme === "dark" : systemIsDark.matches;
}
function nameTheme() {
  theme.textContent = isDark() ? "Light" : "Dark";
  theme.setAttribute("aria-label", `Change to the ${isDark() ? "light" : "dark"} theme`);
}
theme.addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  nameTheme();
});
systemIsDark.addEventListener("change", nameTheme);
nameTheme();
theme.hidden = false;

// Sorting: numbers by their value, texts by the alphabet; a second click turns it round.
function keyOf(row, index) {
  const cell = row.cells[index];
  return cell.dataset.sort === undefined ? cell.textContent.trim() : Number(cell.dataset.sort);
}
function sort(table, header) {
  const index = header.cellIndex;
  const rows = [...table.tBodies[0].rows];
  const isNumber = rows.some((row) => row.cells[index].dataset.sort !== undefined);
  const before = header.getAttribute("aria-sort");
  const direction = before === "none" ? (isNumber ? -1 : 1) : before === "ascending" ? -1 : 1;
  rows.sort((a, b) => {
    const [x, y] = [keyOf(a, index), keyOf(b, index)];
    return direction * (isNumber ? x - y : x.localeCompare(y));
  });
  for (const other of table.tHead.rows[0].cells) {
    if (other.hasAttribute("aria-sort")) other.setAttribute("aria-sort", "none");
  }
  header.setAttribute("aria-sort", direction === 1 ? "ascending" : "descending");
  table.tBodies[0].append(...rows);
}
for (const table of document.querySelectorAll("table.sortable")) {
  for (const header of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    button.addEventListener("click", () => sort(table, header));
    header.append(button);
    header.setAttribute("aria-sort", "none");
  }
}

// Tabs: one part at a time. In a hash, names that are not ASCII are percent-encoded.
function named(hash) {
  return document.getElementById(decodeURIComponent(hash.slice(1)));
}
const tabs = [...document.querySelectorAll("nav a")];
const parts = tabs.map((tab) => named(tab.hash));
function show(chosen) {
  parts.forEach((part, index) => {
    part.hidden = part !== chosen;
    if (part === chosen) tabs[index].setAttribute("aria-current", "page");
    else tabs[index].removeAttribute("aria-current");
  });
}
function follow() {
  const target = location.hash && named(location.hash);
  const part = target && target.closest("main > section");
  show(part || parts[0]);
  if (target && target !== part) {
    if (target.tagName === "DETAILS") target.open = true;
    target.scrollIntoView();
  }
}
addEventListener("hashchange", follow);
if (parts.length) follow();

// Filter by the name of a column.
const filter = document.getElementById("filter");
filter.addEventListener("input", () => {
  const wanted = filter.value.trim().toLowerCase();
  for (const item of document.querySelectorAll("[data-column]")) {
    item.hidden = !item.dataset.column.toLowerCase().includes(wanted);
  }
});
filter.parentElement.hidden = false;
