// The report's script: the slider through the sample grids, the cursor in the charts, and the reload of a live page.
// The page holds all of it in words and pictures without a script, too. Text is set as text, never as HTML.
"use strict";

document.documentElement.classList.add("js");
const kept = {  // between two loads of a live page; a browser may forbid it for files, which does no harm
  get: (name) => { try { return sessionStorage.getItem(name); } catch { return null; } },
  set: (name, value) => { try { sessionStorage.setItem(name, value); } catch { /* the slider then starts at the end */ } },
};
let touched = 0;  // when the reader last did something, in milliseconds

// ---- the slider -----------------------------------------------------------------------------------------------------

function setUpSlider() {
  const slider = document.getElementById("step");
  if (!slider) return;
  const strips = [...document.querySelectorAll(".strip")].map((strip) =>
    [...strip.children].map((figure) => ({ figure, step: Number(figure.dataset.step) })).sort((a, b) => a.step - b.step));
  const steps = [...new Set(strips.flat().map((grid) => grid.step))].sort((a, b) => a - b);
  const output = document.querySelector(".slider output");

  function show() {
    const step = steps[slider.value];
    for (const grids of strips) {
      const shown = grids.filter((grid) => grid.step <= step).at(-1) ?? grids[0];  // the newest one up to this step
      for (const grid of grids) grid.figure.hidden = grid !== shown;
    }
    output.textContent = step.toLocaleString("en");
    slider.setAttribute("aria-valuetext", `step ${step.toLocaleString("en")}`);
    kept.set("step", slider.value === slider.max ? "" : step);  // at its end it follows the run
  }

  slider.max = steps.length - 1;
  const before = steps.indexOf(Number(kept.get("step") || -1));
  slider.value = before < 0 ? steps.length - 1 : before;
  slider.parentElement.hidden = steps.length < 2;
  for (const strip of document.querySelectorAll(".strip")) strip.removeAttribute("tabindex");
  slider.addEventListener("input", () => { touched = Date.now(); show(); });
  show();
}

// ---- the charts -----------------------------------------------------------------------------------------------------

const number = (value) => {
  const size = Math.abs(value);
  if (size >= 1e7 || (size > 0 && size < 1e-4)) return value.toExponential(1);
  return size >= 1000 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(3)));
};

// The place of the group of steps that holds a step, or of the nearest one: a binary search in the rising last steps.
function group(curve, step) {
  let low = 0, high = curve.last.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (curve.last[middle] < step) low = middle + 1; else high = middle;
  }
  return low;
}

// A chart: `point(step)` moves its cursor there and writes the values below it, `point(null)` takes both away.
function chartOf(figure) {
  const svg = figure.querySelector("svg"), cursor = figure.querySelector(".cursor"), reading = figure.querySelector(".reading");
  const data = JSON.parse(figure.querySelector("script").textContent);
  const span = data.to - data.from;

  function part(curve, step) {
    const at = group(curve, step), words = document.createElement("span");
    if (curve.label) {
      const label = document.createElement("b");
      label.className = curve.colour;
      label.textContent = `${curve.label} `;
      words.append(label);
    }
    const low = number(curve.low[at]), high = number(curve.high[at]);
    words.append(`${low === high ? low : `${low} to ${high}`} (mean ${number(curve.mean[at])})`);
    return words;
  }

  function point(step) {
    cursor.setAttribute("visibility", step === null ? "hidden" : "visible");
    reading.replaceChildren();
    if (step === null) return;
    const x = data.left + Math.min(1, Math.max(0, (step - data.from) / span)) * data.width;
    cursor.setAttribute("x1", x);
    cursor.setAttribute("x2", x);
    reading.append(`step ${Math.round(step).toLocaleString("en")}: `);
    const there = data.curves.filter((curve) => step <= curve.last.at(-1) || curve.last.at(-1) === data.to);  // not ended
    there.forEach((curve, i) => reading.append(i ? " \u00b7 " : "", part(curve, step)));
  }

  const stepAt = (event) => {
    const box = svg.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width * svg.viewBox.baseVal.width;
    return data.from + Math.min(1, Math.max(0, (x - data.left) / data.width)) * span;
  };
  return { svg, reading, data, span, point, stepAt };
}

function setUpCharts() {
  const charts = [...document.querySelectorAll(".chart")].map(chartOf);
  let step = null;
  const pointAll = (to) => { step = to; touched = Date.now(); for (const chart of charts) chart.point(to); };
  for (const { svg, reading, data, span, stepAt } of charts) {
    svg.setAttribute("tabindex", "0");
    svg.addEventListener("focus", () => reading.setAttribute("aria-live", "polite"));  // is read aloud; the others not
    for (const name of ["pointermove", "pointerdown"]) svg.addEventListener(name, (event) => pointAll(stepAt(event)));
    svg.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") pointAll(null); });
    svg.addEventListener("blur", () => { reading.removeAttribute("aria-live"); pointAll(null); });
    svg.addEventListener("keydown", (event) => {
      const at = step ?? data.to, by = span / (event.shiftKey ? 10 : 100);
      const places = { ArrowLeft: at - by, ArrowRight: at + by, Home: data.from, End: data.to, Escape: null };
      if (!(event.key in places)) return;
      event.preventDefault();
      const to = places[event.key];
      pointAll(to === null ? null : Math.min(data.to, Math.max(data.from, to)));
    });
  }
}

// ---- the live page --------------------------------------------------------------------------------------------------

function setUpReload() {
  const seconds = Number(document.body.dataset.live);
  if (!seconds) return;
  setInterval(() => {  // not while somebody reads a chart or moves the slider
    if (!document.hidden && Date.now() - touched > 10_000) location.reload();
  }, seconds * 1000);
}

setUpSlider();
setUpCharts();
setUpReload();
