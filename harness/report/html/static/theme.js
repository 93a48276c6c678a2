"use strict";
// Runs before the page is painted, so that a dark page never flashes white.
const theme = {
  stored() { try { return localStorage.getItem("harness-theme"); } catch { return null; } },
  current() { return document.documentElement.dataset.theme; },
  set(name) {
    document.documentElement.dataset.theme = name;
    document.getElementById("theme")?.setAttribute("aria-label", name === "dark" ? "Switch to light theme" : "Switch to dark theme");
    document.dispatchEvent(new Event("themechange"));
  },
};
const darkSystem = matchMedia("(prefers-color-scheme: dark)");
theme.set(theme.stored() ?? (darkSystem.matches ? "dark" : "light"));
darkSystem.addEventListener("change", () => { if (!theme.stored()) theme.set(darkSystem.matches ? "dark" : "light"); });
document.addEventListener("DOMContentLoaded", () => {
  theme.set(theme.current());
  document.getElementById("theme").addEventListener("click", () => {
    const next = theme.current() === "dark" ? "light" : "dark";
    try { localStorage.setItem("harness-theme", next); } catch { /* a page opened from a file may have no storage */ }
    theme.set(next);
  });
});
