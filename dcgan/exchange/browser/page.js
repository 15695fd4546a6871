"use strict";
/* The controls. One picture is asked of the worker at a time: the large one first, then those of the grid. */

const COUNT = 16;
const element = name => document.getElementById(name);
const model = JSON.parse(element("model").textContent);
const worker = new Worker(URL.createObjectURL(new Blob([element("worker").textContent], {type: "text/javascript"})));
const sliders = [...document.querySelectorAll(".slider input")];
const large = element("large"), seedField = element("seed"), chooser = element("class");
let seed = seedField.value, index = 1, waiting = [], asked = null;

worker.onmessage = ({data: {id, pixels}}) => {
  const {canvas, done} = asked;
  asked = null;
  if (!done.cancelled) {
    canvas.getContext("2d").putImageData(new ImageData(pixels, model.width, model.height), 0, 0);
    canvas.dataset.drawn = id;
  }
  next();
};
worker.onerror = event => { element("state").textContent = `The page cannot draw: ${event.message}`; };
worker.postMessage({model, text: element("arrays").textContent});

function next() {
  document.body.dataset.busy = Boolean(asked || waiting.length);
  if (asked || !waiting.length) return;
  asked = waiting.shift();
  worker.postMessage(asked.job);
  document.body.dataset.busy = true;
}

const label = () => chooser ? Number(chooser.value) : 0;
const moves = () => sliders.map(slider => Number(slider.value));
const job = (number, ways) => ({id: `${seed}.${number}.${label()}.${ways}`, seed, index: number, label: label(), moves: ways});

// Asks for the large picture, before all others and in the place of one that still waits.
function drawLarge() {
  waiting = waiting.filter(each => each.canvas !== large);
  waiting.unshift({canvas: large, job: job(index, moves()), done: {}});
  describe();
  next();
}

function drawAll() {
  if (asked) asked.done.cancelled = true;
  waiting = tiles.map((tile, i) => ({canvas: tile.firstChild, job: job(i + 1, []), done: {}}));
  drawLarge();
}

function describe() {
  const still = moves().every(way => way === 0);
  const raw = model.weights === "raw" ? "raw" : "", ofClass = chooser ? `_c${label()}` : "";
  const address = `${model.run}_${model.step}${raw}_${seed}_${index}${ofClass}`;
  element("address").textContent = address;
  element("moved").hidden = still;
  large.setAttribute("aria-label", `Picture ${index} of seed ${seed}${still ? "" : ", moved"}`);
  sliders.forEach(slider => { slider.nextElementSibling.textContent = Number(slider.value).toFixed(1); });
  tiles.forEach((tile, i) => tile.setAttribute("aria-pressed", i + 1 === index));
}

function rest() {
  sliders.forEach(slider => { slider.value = 0; });
}

function choose(number) {
  index = number;
  rest();
  drawLarge();
}

function takeSeed(text) {
  const good = /^\d{1,39}$/.test(text.trim());
  seedField.setAttribute("aria-invalid", !good);
  if (!good) return;
  seed = seedField.value = BigInt(text.trim()).toString();
  choose(1);
  drawAll();
}

// Saves a canvas under a name as PNG.
function save(canvas, name) {
  canvas.toBlob(blob => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  });
}

// Returns a canvas with all pictures of the grid, four in a row, two pixels apart as dcgan.generate's grids are.
function wholeGrid() {
  const whole = document.createElement("canvas"), {width, height} = model;
  whole.width = 4 * (width + 2) + 2;
  whole.height = 4 * (height + 2) + 2;
  tiles.forEach((tile, i) => {
    whole.getContext("2d").drawImage(tile.firstChild, 2 + i % 4 * (width + 2), 2 + (i >> 2) * (height + 2));
  });
  return whole;
}

const tiles = Array.from({length: COUNT}, (_, i) => {
  const tile = document.createElement("button"), canvas = document.createElement("canvas");
  [canvas.width, canvas.height, tile.type] = [model.width, model.height, "button"];
  tile.setAttribute("aria-label", `Picture ${i + 1}`);
  tile.append(canvas);
  tile.addEventListener("click", () => choose(i + 1));
  element("grid").append(tile);
  return tile;
});

element("new").addEventListener("click", () => takeSeed(String(Math.floor(Math.random() * 1e6))));
element("rest").addEventListener("click", () => { rest(); drawLarge(); });
element("save").addEventListener("click", () =>
  save(large, `${element("address").textContent}${element("moved").hidden ? "" : "_moved"}.png`));
element("save-grid").addEventListener("click", () => save(wholeGrid(), `${model.run}_${model.step}_${seed}_grid.png`));
seedField.addEventListener("change", () => takeSeed(seedField.value));
chooser?.addEventListener("change", drawAll);
sliders.forEach(slider => slider.addEventListener("input", drawLarge));
drawAll();
