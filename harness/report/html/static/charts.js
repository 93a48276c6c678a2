// Draws the Vega-Lite specifications when they come into view, and again when theme or width change.
(() => {
  const views = new Map(); // element -> { view, spec, width, faceted }
  const parameters = new Map(); // element -> chosen values of the specification's parameters

  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  function look() {
    const [ink, muted, line] = ["--ink", "--muted", "--line"].map(css);
    const axis = { labelColor: muted, titleColor: muted, gridColor: line, domainColor: line, tickColor: line, labelFontSize: 11, titleFontSize: 12, titleFontWeight: 500, gridOpacity: 0.8, titlePadding: 8, labelPadding: 5 };
    const range = Array.from({ length: 8 }, (_, i) => css(`--arm-${i}`));
    return {
      background: null, font: "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif", aria: false,
      view: { stroke: null }, axis, axisX: { grid: false, ticks: false, labelFlush: false, labelSeparation: 8 }, axisY: { domain: false, ticks: false, tickCount: 5 },
      legend: { labelColor: ink, titleColor: muted, labelFontSize: 12, titleFontSize: 12, titleFontWeight: 500, symbolType: "circle", symbolBaseFillColor: muted, symbolBaseStrokeColor: ink, columns: innerWidth < 520 ? 2 : 6 },
      header: { labelColor: ink, labelFontSize: 13 }, range: { category: range },
      rule: { color: muted }, text: { color: ink, fontSize: 12 }, point: { color: ink }, line: { strokeCap: "round", color: muted },
    };
  }

  function fit(spec, width) {
    if (!spec.usermeta) return spec;
    const { cell, panels, axis } = spec.usermeta;
    const room = spec.resolve ? 36 : 20; // independent scales need room for their own axes
    const most = Math.max(1, Math.min(4, panels, Math.floor((width - axis - 10) / (cell + 20))));
    const columns = Math.ceil(panels / Math.ceil(panels / most)); // rows of equal length
    const inner = Math.floor((width - axis - 10 - (columns - 1) * room) / columns);
    return { ...spec, columns, spec: { ...spec.spec, width: inner } };
  }

  // Inline data comes by column; Vega takes rows.
  const rows = (key, value) => {
    if (key !== "data" || !value.columns) return value;
    const names = Object.keys(value.columns);
    return { values: value.columns[names[0]].map((_, i) => Object.fromEntries(names.map((name) => [name, value.columns[name][i]]))) };
  };

  async function draw(element) {
    const spec = JSON.parse(document.getElementById(element.dataset.spec).textContent, rows);
    const width = element.clientWidth;
    const chosen = parameters.get(element) ?? {};
    spec.params = spec.params.map((param) => (param.name in chosen ? { ...param, value: chosen[param.name] } : param));
    views.get(element)?.view?.finalize();
    views.set(element, { width, faceted: Boolean(spec.usermeta?.cell) });
    // The chart's name stands on the outer element; its inside would only be noise to a screen reader.
    const inside = document.createElement("div");
    inside.setAttribute("aria-hidden", "true");
    element.replaceChildren(inside);
    const result = await vegaEmbed(inside, fit(spec, width), { actions: false, renderer: "svg", ast: true, config: look(), tooltip: { theme: "custom", disableDefaultStyle: false } });
    views.set(element, { ...views.get(element), view: result.view });
    element.dataset.drawn = "";
  }

  async function set(element, name, value) {
    parameters.set(element, { ...parameters.get(element), [name]: value });
    const view = views.get(element)?.view;
    if (view) await view.signal(name, value).runAsync();
  }

  const charts = [...document.querySelectorAll(".chart")];
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting && !views.has(entry.target)) draw(entry.target);
  }, { rootMargin: "300px" });
  charts.forEach((chart) => watcher.observe(chart));

  document.addEventListener("themechange", () => { for (const element of views.keys()) draw(element); });
  addEventListener("beforeprint", () => charts.filter((chart) => !views.has(chart)).forEach(draw));
  let pending;
  addEventListener("resize", () => {
    clearTimeout(pending);
    pending = setTimeout(() => { for (const [element, state] of views) if (state.faceted && element.clientWidth !== state.width) draw(element); }, 150);
  });

  for (const choice of document.querySelectorAll("figure [data-param]")) {
    choice.addEventListener("input", () => set(choice.closest("figure").querySelector(".chart"), choice.dataset.param, choice.value));
  }
  for (const group of document.querySelectorAll(".chips")) {
    group.addEventListener("click", (event) => {
      const chip = event.target.closest(".chip");
      if (!chip) return;
      chip.setAttribute("aria-pressed", chip.getAttribute("aria-pressed") !== "true");
      const shown = [...group.querySelectorAll('[aria-pressed="true"]')].map((other) => other.dataset.arm);
      for (const chart of charts) {
        if (chart.dataset.board === group.dataset.board && document.getElementById(chart.dataset.spec).textContent.includes('"name":"arms"')) set(chart, "arms", shown);
      }
    });
  }

  for (const button of document.querySelectorAll("[data-save]")) {
    button.addEventListener("click", async () => {
      const element = button.closest("figure").querySelector(".chart");
      if (!views.get(element)?.view) await draw(element);
      const svg = await views.get(element).view.toSVG();
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
      link.download = `${button.dataset.save}.svg`;
      link.click();
      URL.revokeObjectURL(link.href);
    });
  }

  const links = new Map([...document.querySelectorAll(".bar nav a")].map((link) => [link.hash.slice(1), link]));
  const spy = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) {
      links.forEach((link) => link.removeAttribute("aria-current"));
      links.get(entry.target.id)?.setAttribute("aria-current", "true");
    }
  }, { rootMargin: "-20% 0px -75% 0px" });
  document.querySelectorAll("main section[id]").forEach((section) => spy.observe(section));
})();
