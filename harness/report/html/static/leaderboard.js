// Sorting, filtering and choosing columns of the leaderboard's tables.
(() => {
  const byId = (id) => document.getElementById(id);
  const boards = [...document.querySelectorAll(".board")];

  function sortBy(head) {
    const table = head.closest("table");
    const index = head.cellIndex;
    const rising = head.getAttribute("aria-sort") ? head.getAttribute("aria-sort") !== "ascending" : head.dataset.better !== "higher";
    for (const other of table.querySelectorAll("[aria-sort]")) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", rising ? "ascending" : "descending");
    const key = (row) => row.cells[index].dataset.sort;
    const compare = (a, b) => {
      const reported = a.classList.contains("reported") - b.classList.contains("reported");
      if (reported) return reported; // quoted figures stay below the measured ones
      const [x, y] = [key(a), key(b)];
      if (x === "" || y === "") return (x === "") - (y === "");
      const order = isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y;
      return rising ? order : -order;
    };
    table.tBodies[0].append(...[...table.tBodies[0].rows].sort(compare));
  }
  for (const button of document.querySelectorAll(".board .sort")) button.addEventListener("click", () => sortBy(button.closest("th")));

  function filter() {
    const words = byId("leaderboard-search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const chosen = byId("leaderboard-board").value;
    const reported = byId("leaderboard-reported")?.checked ?? true;
    let shown = 0, total = 0;
    for (const board of boards) {
      let inBoard = 0;
      for (const row of board.querySelectorAll("tbody tr")) {
        const name = row.cells[0].textContent.toLowerCase();
        const visible = (chosen === "" || chosen === board.dataset.index) && (reported || !row.classList.contains("reported")) && words.every((word) => name.includes(word));
        row.hidden = !visible;
        inBoard += visible;
        total += 1;
      }
      board.hidden = inBoard === 0;
      shown += inBoard;
    }
    const rows = total === 1 ? "row" : "rows";
    byId("leaderboard-status").textContent = shown === total ? `${total} ${rows}` : `${shown} of ${total} ${rows}`;
  }
  byId("leaderboard-filters").addEventListener("submit", (event) => event.preventDefault());
  for (const id of ["leaderboard-search", "leaderboard-board", "leaderboard-reported"]) byId(id)?.addEventListener("input", filter);
  filter();

  byId("leaderboard-below").addEventListener("input", (event) => {
    for (const small of document.querySelectorAll(".board [data-below]")) small.hidden = small.dataset.below !== event.target.value;
  });
  const columns = document.querySelector(".columns");
  columns.addEventListener("input", (event) => {
    const name = event.target.dataset.column;
    for (const cell of document.querySelectorAll(".board [data-column]")) if (cell.dataset.column === name) cell.hidden = !event.target.checked;
  });
  document.addEventListener("click", (event) => { if (!columns.contains(event.target)) columns.open = false; });
  columns.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { columns.open = false; columns.querySelector("summary").focus(); }
  });
})();
