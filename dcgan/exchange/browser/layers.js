"use strict";
/* The layers of a generator, for one picture. A map of H rows, W columns and C channels is one Float32Array, channels
   last: row h, column w, channel c is number (h W + w) C + c. plan.py makes the steps. */

// Adds x[from ...] times a matrix (inputs, outputs), which begins at `start` of weight, to y[at ...].
function addProduct(step, y, at, x, from, start) {
  const {inputs, outputs, weight} = step;
  for (let i = 0; i < inputs; i++) {
    const value = x[from + i];
    if (value === 0) continue; // a ReLU leaves many zeros
    const row = start + i * outputs;
    for (let o = 0; o < outputs; o++) y[at + o] += value * weight[row + o];
  }
}

// Returns a map of so many pixels, each of which is the bias.
function biased(step, pixels) {
  const y = new Float32Array(pixels * step.outputs);
  for (let pixel = 0; pixel < pixels; pixel++) y.set(step.bias, pixel * step.outputs);
  return y;
}

// Calls visit(pixel of the small map, pixel of the large map, tap of the kernel) wherever the three meet.
function eachTap({small, large, kernel, stride, before}, visit) {
  for (let h = 0; h < small[0]; h++)
    for (let p = 0; p < kernel[0]; p++) {
      const row = h * stride[0] + p - before[0];
      if (row < 0 || row >= large[0]) continue;
      for (let w = 0; w < small[1]; w++)
        for (let q = 0; q < kernel[1]; q++) {
          const column = w * stride[1] + q - before[1];
          if (column >= 0 && column < large[1])
            visit(h * small[1] + w, row * large[1] + column, p * kernel[1] + q);
        }
    }
}

const LAYERS = {
  linear(step, x) {
    const y = biased(step, 1);
    addProduct(step, y, 0, x, 0, 0);
    return y;
  },

  conv(step, x) {
    const {inputs, outputs} = step, y = biased(step, step.small[0] * step.small[1]);
    eachTap(step, (small, large, tap) =>
      addProduct(step, y, small * outputs, x, large * inputs, tap * inputs * outputs));
    return y;
  },

  // A convolution's input gradient: the same meetings, from the small map to the large one.
  transposed(step, x) {
    const {inputs, outputs} = step, y = biased(step, step.large[0] * step.large[1]);
    eachTap(step, (small, large, tap) =>
      addProduct(step, y, large * outputs, x, small * inputs, tap * inputs * outputs));
    return y;
  },

  affine: ({factor, shift, outputs}, x) => x.map((value, i) => value * factor[i % outputs] + shift[i % outputs]),
  leaky: ({slope}, x) => x.map(value => value > 0 ? value : value * slope),
  tanh: (step, x) => x.map(Math.tanh),
  sigmoid: (step, x) => x.map(value => (1 + Math.tanh(value / 2)) / 2),

  // Appends a channel for each class to every pixel: 1 for the class that is wanted, 0 for the others.
  join({inputs, classes}, x, label) {
    const wide = inputs + classes, y = new Float32Array(x.length / inputs * wide);
    for (let from = 0, to = 0; from < x.length; from += inputs, to += wide) {
      y.set(x.subarray(from, from + inputs), to);
      y[to + inputs + label] = 1;
    }
    return y;
  },

  upsample({inputs, small, large}, x) {
    const y = new Float32Array(large[0] * large[1] * inputs);
    for (let h = 0; h < large[0]; h++)
      for (let w = 0; w < large[1]; w++) {
        const from = ((h >> 1) * small[1] + (w >> 1)) * inputs;
        y.set(x.subarray(from, from + inputs), (h * large[1] + w) * inputs);
      }
    return y;
  },

  residual({branch, shortcut}, x, label) {
    const y = forward(branch, x, label), other = forward(shortcut, x, label);
    return y.map((value, i) => value + other[i]);
  },
};

// Returns what the steps make of x, for a class (a number from 0).
function forward(steps, x, label) {
  for (const step of steps) x = LAYERS[step.op](step, x, label);
  return x;
}

// Returns the steps with their arrays, which the plan names by the places where they begin in a buffer.
function unpacked(steps, buffer, bits) {
  const floats = (start, count) => new Float32Array(buffer, start, count);
  return steps.map(step => {
    const found = {...step}, {outputs, count} = step;
    for (const name of ["bias", "factor", "shift"])
      if (name in step) found[name] = floats(step[name], outputs);
    if ("weight" in step) {
      const q = new (bits === 8 ? Int8Array : Int16Array)(buffer, step.weight, count), scale = floats(step.scale, outputs);
      found.weight = Float32Array.from(q, (value, i) => value * scale[i % outputs]);
    }
    for (const name of ["branch", "shortcut"])
      if (name in step) found[name] = unpacked(step[name], buffer, bits);
    return found;
  });
}
