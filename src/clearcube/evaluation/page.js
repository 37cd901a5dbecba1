"use strict";

// The number that a cell begins with; none where it holds text.
function numberOf(cell) {
  const text = cell.textContent.trim();
  return /^[+-]?(\d|inf|\.)/.test(text) ? Number.parseFloat(text.replace(/^([+-]?)inf/, "$11e999")) : NaN;
}

// Cells without a number come last, whichever the direction.
function compared(one, other, sign) {
  const a = numberOf(one), b = numberOf(other);
  if (Number.isNaN(a) && Number.isNaN(b)) {
    return sign * one.textContent.localeCompare(other.textContent);
  }
  if (Number.isNaN(a) || Number.isNaN(b)) {
    return Number.isNaN(a) ? 1 : -1;
  }
  return sign * (a === b ? 0 : a < b ? -1 : 1);
}

function sort(header) {
  const table = header.closest("table"), body = table.tBodies[0], column = header.cellIndex;
  const order = header.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
  for (const each of table.tHead.rows[0].cells) {
    each.removeAttribute("aria-sort");
  }
  header.setAttribute("aria-sort", order);
  const sign = order === "ascending" ? 1 : -1;
  const rows = [...body.rows].sort((a, b) => compared(a.cells[column], b.cells[column], sign));
  body.append(...rows);
}

// Rows stay that hold every word typed.
function filter(input) {
  const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const row of document.getElementById(input.dataset.table).tBodies[0].rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
  }
}

for (const header of document.querySelectorAll("th")) {
  header.tabIndex = 0;
  header.addEventListener("click", () => sort(header));
  header.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      sort(header);
    }
  });
}
for (const input of document.querySelectorAll("input[data-table]")) {
  input.addEventListener("input", () => filter(input));
}
