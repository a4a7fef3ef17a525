"use strict";
{
  const PER_PAGE = 100;
  const [PATH, OFFSET, MOOD, CONFIDENCE, WORDS] = [0, 1, 2, 3, 4];
  const find = name => document.getElementById(name);
  const data = find("rows");

  const ROLES = {tr: "row", td: "cell"};
  const build = (name, {className = "", text = ""}, children = []) => {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (ROLES[name]) made.setAttribute("role", ROLES[name]);
    made.textContent = text;
    made.append(...children);
    return made;
  };

  function setUp() {
    const all = JSON.parse(data.textContent);
    const moods = Object.fromEntries(
      [...find("mood").options].filter(o => o.value).map(o => [o.value, o.textContent]));
    const order = Object.keys(moods);
    const body = find("table").tBodies[0];
    const collator = new Intl.Collator(undefined, {numeric: true, sensitivity: "base"});
    const absent = (a, b) => (a === null) - (b === null);
    const by = {  // what is not known comes last, whichever way it is sorted
      [PATH]: (a, b) => collator.compare(a[PATH], b[PATH]),
      [MOOD]: (a, b) => order.indexOf(a[MOOD]) - order.indexOf(b[MOOD]),
      [OFFSET]: (a, b) => a[OFFSET] - b[OFFSET],
      [CONFIDENCE]: (a, b) => a[CONFIDENCE] - b[CONFIDENCE],
      [WORDS]: (a, b) => collator.compare(a[WORDS], b[WORDS]),
    };
    let column = null, up = true, first = 0, rows = all;

    const rowOf = ([path, offset, mood, confidence, words, page]) => {
      const file = build("td", {className: "file"});
      if (page) {
        const link = build("a", {text: path});
        link.href = page;
        file.append(link);
      } else file.textContent = path;
      const rounded = Math.round(offset ?? 0);
      const which = rounded > 0 ? " early" : rounded < 0 ? " late" : "";
      const said = offset === null ? "" : `${Math.abs(rounded)} ms${which}`;
      const sure = confidence === null ? ""
        : confidence > 0.99 ? "over 99 %" : `${Math.round(100 * confidence)} %`;
      return build("tr", {}, [
        file,
        build("td", {className: "number", text: said}),
        build("td", {}, [build("span", {className: `badge ${mood}`, text: moods[mood]})]),
        build("td", {className: "number", text: sure}),
        build("td", {className: "doubt", text: words}),
      ]);
    };
    const show = () => {
      body.replaceChildren(...rows.slice(first, first + PER_PAGE).map(rowOf));
      const last = Math.min(first + PER_PAGE, rows.length);
      const [from, to, fit, total] = [first + 1, last, rows.length, all.length]
        .map(count => count.toLocaleString("en"));
      const chosen = rows.length === all.length ? total : `${fit} that fit, of ${total}`;
      find("shown").textContent = rows.length ? `${from === to ? from : `${from} to ${to}`} of ${chosen}`
        : `no file fits, of ${total}`;
      find("back").disabled = first === 0;
      find("on").disabled = last === rows.length;
    };
    const choose = () => {
      const words = find("find").value.trim().toLowerCase();
      const mood = find("mood").value;
      const sure = (Number(find("sure").value) || 0) / 100;
      rows = all.filter(row => (!mood || row[MOOD] === mood)
        && (!sure || (row[CONFIDENCE] ?? -1) >= sure)
        && (!words || row[PATH].toLowerCase().includes(words)
          || row[WORDS].toLowerCase().includes(words)));
      if (column !== null) {
        const numeric = column === OFFSET || column === CONFIDENCE;
        rows.sort((a, b) => (numeric && absent(a[column], b[column]))
          || (up ? 1 : -1) * by[column](a, b));
      }
      first = 0;
      show();
    };
    const heads = [...find("table").tHead.rows[0].cells];
    heads.forEach((head, index) => {
      const arrow = build("span", {className: "arrow"});
      arrow.setAttribute("aria-hidden", "true");
      const button = build("button", {text: head.textContent}, [arrow]);
      button.type = "button";
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        up = column === index ? !up : true;
        column = index;
        heads.forEach((other, k) => {
          other.querySelector(".arrow").textContent = k !== index ? "" : up ? "\u2191" : "\u2193";
          if (k === index) other.setAttribute("aria-sort", up ? "ascending" : "descending");
          else other.removeAttribute("aria-sort");
        });
        choose();
      });
    });
    for (const name of ["find", "mood", "sure"]) find(name).addEventListener("input", choose);
    find("back").addEventListener("click", () => { first -= PER_PAGE; show(); });
    find("on").addEventListener("click", () => { first += PER_PAGE; show(); });
    document.querySelector(".filters").hidden = false;
    find("pager").hidden = false;
    find("back").hidden = find("on").hidden = all.length <= PER_PAGE;
    if (find("parts")) find("parts").hidden = true;
    show();
  }

  if (data) setUp();
}
