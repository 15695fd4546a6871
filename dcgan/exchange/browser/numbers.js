"use strict";
/* NumPy's random numbers: numbers(seed) gives what numpy.random.default_rng(seed) gives, for a seed of 0 or more. So a
   seed means the same picture in the browser and in Python.

   SeedSequence and PCG64: O'Neill, "PCG: a family of better random number generators", 2014, and numpy/random. Normal
   numbers by the ziggurat of Marsaglia and Tsang, 2000, with 256 layers. */

const MASK64 = (1n << 64n) - 1n, MASK128 = (1n << 128n) - 1n;
const MULTIPLIER = 0x2360ED051FC65DA44385DF649FCCF645n;

// Returns four words of 64 bits made of a seed (BigInt): numpy.random.SeedSequence(seed).generate_state(4, "uint64").
function seedWords(seed) {
  const times = (a, b) => Math.imul(a, b) >>> 0;
  let constant = 0x43b0d7e5;
  const hashed = value => {
    value = (value ^ constant) >>> 0;
    constant = times(constant, 0x931e8875);
    value = times(value, constant);
    return (value ^ value >>> 16) >>> 0;
  };
  const mixed = (x, y) => {
    const value = times(x, 0xca01f9dd) - times(y, 0x4973f715) >>> 0;
    return (value ^ value >>> 16) >>> 0;
  };
  const entropy = [];
  for (let rest = seed; rest > 0n; rest >>= 32n) entropy.push(Number(rest & 0xffffffffn));
  const pool = [0, 1, 2, 3].map(i => hashed(entropy[i] ?? 0));
  for (let from = 0; from < 4; from++)
    for (let to = 0; to < 4; to++)
      if (from !== to) pool[to] = mixed(pool[to], hashed(pool[from]));
  for (const word of entropy.slice(4))
    for (let to = 0; to < 4; to++) pool[to] = mixed(pool[to], hashed(word));
  constant = 0x8b51f9dd;
  const words = Array.from({length: 8}, (_, i) => {
    let value = (pool[i % 4] ^ constant) >>> 0;
    constant = times(constant, 0x58f38ded);
    value = times(value, constant);
    return BigInt((value ^ value >>> 16) >>> 0);
  });
  return [0, 2, 4, 6].map(i => words[i] | words[i + 1] << 32n);
}

// The ziggurat: layers of one area under exp(-x^2 / 2), whose right edges are `edges`; the lowest has the tail, too.
const TAIL = 3.6541528853610088, AREA = 0.004928673233974658;
const TWO52 = 2 ** 52;
const ZIGGURAT = (() => {
  const density = x => Math.exp(-x * x / 2), edges = new Float64Array(257);
  edges[256] = AREA / density(TAIL); // of the lowest layer, were it a rectangle
  edges[255] = TAIL;
  for (let i = 254; i >= 1; i--)
    edges[i] = Math.sqrt(-2 * Math.log(AREA / edges[i + 1] + density(edges[i + 1])));
  const heights = edges.slice(0, 256).map(density); // heights[0] = 1
  const layer = Array.from({length: 256}, (_, i) => i ? {wide: edges[i], inside: edges[i - 1]} : {wide: edges[256], inside: TAIL});
  return {heights, wide: layer.map(each => each.wide), inside: layer.map(each => each.inside)};
})();

// Returns {uniform, normal}: functions that give the next number in [0, 1), and the next one of N(0, 1).
function numbers(seed) {
  const [a, b, c, d] = seedWords(seed);
  const increment = ((c << 64n | d) << 1n | 1n) & MASK128;
  let state = increment;
  const step = () => { state = state * MULTIPLIER + increment & MASK128; };
  state = state + (a << 64n | b) & MASK128;
  step();

  const next = () => { // 64 bits
    step();
    const word = (state >> 64n ^ state) & MASK64, turn = state >> 122n;
    return (word >> turn | word << (64n - turn)) & MASK64;
  };
  const uniform = () => Number(next() >> 11n) / 2 ** 53;

  function tail(negative) {
    for (;;) {
      const x = -Math.log1p(-uniform()) / TAIL, y = -Math.log1p(-uniform());
      if (y + y > x * x) return negative ? -(TAIL + x) : TAIL + x;
    }
  }

  function normal() {
    const {heights, wide, inside} = ZIGGURAT;
    for (;;) {
      const bits = next(), i = Number(bits & 0xffn), whole = bits >> 9n & 0xfffffffffffffn;
      const share = Number(whole) / TWO52, size = share * wide[i], x = bits >> 8n & 1n ? -size : size;
      if (size < inside[i]) return x;
      if (i === 0) return tail(whole >> 8n & 1n);
      if ((heights[i - 1] - heights[i]) * uniform() + heights[i] < Math.exp(-x * x / 2)) return x;
    }
  }

  return {uniform, normal};
}
