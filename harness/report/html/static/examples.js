// The browser of examples. Everything from the data goes into text nodes, never into markup.
(() => {
  const source = document.getElementById("example-data");
  if (!source) return;
  const boards = JSON.parse(source.textContent);
  const byId = (id) => document.getElementById(`example-${id}`);
  const PER_PAGE = 8;
  let page = 0;

  function make(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes ?? {})) {
      if (name === "style") for (const [property, setting] of Object.entries(value)) element.style.setProperty(property, setting);
      else if (value !== false && value != null) element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.flat(Infinity).filter((child) => child != null));
    return element;
  }
  const percent = (mille) => `${(mille / 10).toFixed(1)} %`;
  const board = () => boards[byId("board").value];
  const column = (data, arm) => data.arms.indexOf(arm) * data.seeds.length + data.seeds.indexOf(Number(byId("seed").value));
  const isUu = (example, prediction) => prediction && prediction[3] !== example.label && prediction[6];
  const armColor = (data, arm) => `var(--arm-${data.colors[data.arms.indexOf(arm)]})`;

  function marked(text, edits) {
    const characters = Array.from(text), out = [];
    let at = 0;
    for (let i = 0; i < (edits?.length ?? 0); i += 3) {
      const [start, removed, inserted] = edits.slice(i, i + 3);
      out.push(characters.slice(at, start).join(""));
      if (removed) out.push(make("del", {}, characters.slice(start, start + removed).join("")));
      if (inserted) out.push(make("mark", {}, inserted));
      at = start + removed;
    }
    out.push(characters.slice(at).join(""));
    return out;
  }

  function textBlock(title, text, edits) {
    const body = make("p", { class: "clamp" }, marked(text, edits));
    const block = make("div", { class: "text" }, make("h4", {}, title), body);
    if (text.length > 480) {
      const more = make("button", { type: "button", class: "button quiet", "aria-expanded": "false" }, "Show the whole text");
      more.addEventListener("click", () => {
        const open = body.classList.toggle("clamp");
        more.textContent = open ? "Show the whole text" : "Show less";
        more.setAttribute("aria-expanded", String(!open));
      });
      block.append(more);
    } else body.classList.remove("clamp");
    return block;
  }

  const heading = (data, index, suffix) => (data.columns.length > 1 ? `${data.columns[index] ?? `text ${index + 1}`}, ${suffix}` : suffix).replace(/^./, (c) => c.toUpperCase());

  // A row for each text of the example: the original, and beside it the perturbed text where it differs.
  const textRows = (data, texts, edits, original, perturbed) => (texts ?? []).map((text, index) => make("div", { class: "texts" },
    textBlock(heading(data, index, original), text),
    edits?.[index]?.length ? textBlock(heading(data, index, perturbed), text, edits[index]) : null));

  function outcome(example, prediction, label, mille, sure) {
    if (label === example.label) return make("span", { class: "pill good" }, "right");
    return make("span", { class: sure ? "pill bad" : "pill warn" }, sure ? "UU" : "wrong, unsure");
  }

  function predictionCells(data, example, prediction, label, mille, sure, color) {
    return [
      make("td", { class: "text" }, data.labels[label] ?? String(label), " ", outcome(example, prediction, label, mille, sure)),
      make("td", {}, percent(mille), make("span", { class: "meter", "aria-hidden": "true" }, make("i", { style: { "--w": `${mille / 10}%`, "--c": color } }))),
    ];
  }

  function exampleCard(data, example) {
    const arm = byId("arm").value;
    const which = column(data, arm);
    const own = example.p[which];
    const perturbed = own?.[2] ? "perturbed" : "best attempt of the attack";
    const blocks = textRows(data, example.texts, example.e?.[which], "original", `${perturbed} (${arm})`);
    const rows = data.arms.map((name) => {
      const prediction = example.p[column(data, name)];
      const head = make("th", { scope: "row" }, make("span", { class: "name" }, make("span", { class: "swatch", style: { "--c": armColor(data, name) } }), name));
      if (!prediction) return make("tr", {}, head, make("td", { class: "text", colspan: data.attacked ? 4 : 2 }, "not run under this seed"));
      const cells = predictionCells(data, example, prediction, prediction[0], prediction[1], prediction[5], armColor(data, name));
      if (data.attacked) cells.push(...predictionCells(data, example, prediction, prediction[3], prediction[4], prediction[6], armColor(data, name)));
      return make("tr", { "aria-current": name === arm ? "true" : null }, head, cells);
    });
    const heads = ["Arm", "Clean prediction", "Confi\u00addence", ...(data.attacked ? ["As deployed", "Confi\u00addence"] : [])];
    const table = make("table", {},
      make("thead", {}, make("tr", {}, heads.map((text, i) => make("th", { scope: "col", class: i === 2 || i === 4 ? null : "text" }, text)))),
      make("tbody", {}, rows));
    return make("article", { class: "card example" },
      make("header", {}, make("h3", {}, example.id), make("span", { class: "pill accent" }, `true: ${data.labels[example.label] ?? example.label}`),
        (example.tags ?? []).map((tag) => make("span", { class: "pill" }, tag))),
      blocks,
      make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Predictions for ${example.id}` }, table));
  }

  function syntheticCard(data, uu) {
    const blocks = textRows(data, uu.texts, uu.e, "original training text", "perturbed");
    const samples = uu.samples.map((sample) => [
      sample.hypothesis ? make("p", { class: "hypothesis" }, sample.hypothesis) : null,
      make("div", { class: "texts" }, sample.texts.map((text, index) => textBlock(heading(data, index, `${sample.role} sample, label ${data.labels[sample.label] ?? sample.label}`), text))),
    ]);
    const rejected = uu.rejected.map((sample) => make("p", { class: "muted" }, `Rejected ${sample.role} sample (${sample.reason})${sample.text ? `: ${sample.text}` : ""}`));
    const facts = [];
    if (uu.label != null) facts.push(make("span", { class: "pill accent" }, `true: ${data.labels[uu.label]}`));
    if (uu.predicted != null) facts.push(make("span", { class: "pill bad" }, `predicted: ${data.labels[uu.predicted]}${uu.confidence != null ? `, ${percent(uu.confidence)}` : ""}`));
    return make("article", { class: "card example" },
      make("header", {}, make("h3", {}, `Unknown unknown of ${uu.arms.join(", ")}, seed ${uu.seed}`), facts),
      blocks, samples, rejected);
  }

  function matches(words, parts) {
    const text = parts.join(" ").toLowerCase();
    return words.every((word) => text.includes(word));
  }

  function select() {
    const data = board(), arm = byId("arm").value, kind = byId("kind").value;
    const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    if (kind === "synthetic") {
      return data.uus
        .filter((uu) => (arm === data.arms[0] || uu.arms.includes(arm)) && matches(words, [...(uu.texts ?? []), ...uu.samples.flatMap((s) => [s.hypothesis, ...s.texts])]))
        .map((uu) => () => syntheticCard(data, uu));
    }
    const own = column(data, arm), base = column(data, data.arms[0]);
    return data.examples
      .filter((example) => {
        const [mine, theirs] = [isUu(example, example.p[own]), isUu(example, example.p[base])];
        const comparable = example.p[own] && example.p[base];
        const right = (outcome) => outcome && outcome[3] === example.label;
        const kept = {
          all: true,
          uu: mine,
          repaired: comparable && theirs && right(example.p[own]),
          calmed: comparable && theirs && !mine && !right(example.p[own]),
          broken: comparable && mine && right(example.p[base]),
          newly: comparable && mine && !theirs && !right(example.p[base]),
        }[kind];
        return kept && matches(words, [example.id, ...(example.tags ?? []), ...(example.texts ?? [])]);
      })
      .map((example) => () => exampleCard(data, example));
  }

  function show() {
    const found = select();
    const pages = Math.max(1, Math.ceil(found.length / PER_PAGE));
    page = Math.min(page, pages - 1);
    const data = board();
    const [shown, total] = byId("kind").value === "synthetic" ? [data.uus.length, data.total_uus] : [data.examples.length, data.total];
    byId("status").textContent = `${found.length} of the ${shown} in this report` + (shown < total ? ` (a sample of ${total.toLocaleString("en")})` : "") + (data.examples.some((example) => example.texts) || !shown ? "" : ". The records come without their texts.");
    byId("list").replaceChildren(...found.slice(page * PER_PAGE, (page + 1) * PER_PAGE).map((card) => card()));
    if (!found.length) byId("list").append(make("p", { class: "muted" }, "Nothing matches these filters."));
    byId("page").textContent = `Page ${page + 1} of ${pages}`;
    byId("previous").disabled = page === 0;
    byId("next").disabled = page >= pages - 1;
  }

  const fill = (element, pairs, chosen) => element.replaceChildren(...pairs.map(([value, text]) => make("option", { value, selected: value === chosen }, text)));
  function enter() {
    const data = board(), arm = byId("arm").value, seed = byId("seed").value;
    fill(byId("arm"), data.arms.map((name) => [name, name]), data.arms.includes(arm) ? arm : data.best);
    fill(byId("seed"), data.seeds.map((value) => [String(value), String(value)]), seed);
  }
  function turn(step) {
    page += step;
    show();
    document.getElementById("examples").scrollIntoView();
  }
  fill(byId("board"), boards.map((data, index) => [String(index), data.title]), "0");
  enter();
  show();
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("filters").addEventListener("input", (event) => {
    if (event.target === byId("board")) enter();
    page = 0;
    show();
  });
  byId("previous").addEventListener("click", () => turn(-1));
  byId("next").addEventListener("click", () => turn(1));
})();
