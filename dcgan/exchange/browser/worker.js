"use strict";
/* Draws pictures beside the page, so that the page never waits. It gets {model, text} once, text being the arrays in
   base64, and then {id, seed, index, label, moves} for each picture; it answers {id, pixels}: red, green, blue and
   opacity of each pixel, 0 to 255. */

let model, directions, drawn = {seed: null};

function start(given, text) {
  const bytes = Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
  model = {...given, steps: unpacked(given.steps, bytes.buffer, given.bits)};
  directions = given.directions.map(at => new Float32Array(bytes.buffer, at, given.z.size));
}

// Returns z of the index-th picture of a seed, from 1, as dcgan.generate draws it.
function latent(seed, index) {
  const {size, dist} = model.z, lowest = dist === "uniform" ? -1 : 0;
  if (drawn.seed !== seed) drawn = {seed, values: [], next: numbers(BigInt(seed))};
  while (drawn.values.length < index * size)
    drawn.values.push(dist === "normal" ? drawn.next.normal() : lowest + (1 - lowest) * drawn.next.uniform());
  return Float32Array.from(drawn.values.slice((index - 1) * size, index * size));
}

// Returns z moved along the directions, within the range of the numbers that G was trained with.
function moved(z, moves) {
  const {dist} = model.z, lowest = dist === "uniform" ? -1 : 0;
  for (const [number, way] of moves.entries())
    if (way) z = z.map((value, i) => value + way * directions[number][i]);
  return dist === "normal" ? z : z.map(value => Math.min(1, Math.max(lowest, value)));
}

// Returns the bytes of a picture whose numbers lie between model.low and 1.
function pixelsOf(picture) {
  const {channels, low} = model, count = picture.length / channels, pixels = new Uint8ClampedArray(4 * count);
  for (let i = 0; i < count; i++) {
    for (let c = 0; c < 3; c++) // a Uint8ClampedArray rounds and clips as Python does
      pixels[4 * i + c] = (picture[i * channels + (channels === 1 ? 0 : c)] - low) * (255 / (1 - low));
    pixels[4 * i + 3] = 255;
  }
  return pixels;
}

self.onmessage = ({data}) => {
  if (data.model) return start(data.model, data.text);
  const z = moved(latent(data.seed, data.index), data.moves);
  const pixels = pixelsOf(forward(model.steps, z, data.label));
  self.postMessage({id: data.id, pixels}, [pixels.buffer]);
};
