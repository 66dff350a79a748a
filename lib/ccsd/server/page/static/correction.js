// A mask that is being corrected: strokes of a brush in one plane, undo and redo. It knows voxels, not the page.
//
// Regions lie in one another (ET in TC in WT). What is painted as a region belongs to those around it too, and keeps
// belonging to those inside; what is erased from a region leaves those inside as well, and stays in those around.

import { PLANES } from "./volume.js";

const MOST = 200; // strokes that can be undone

export class Correction {
  // `values`: Uint8Array as volume.js says, changed in place; `regions`: as `regionsOf` gives them.
  constructor(values, { shape, spacing }, regions) {
    Object.assign(this, { values, shape, spacing, regions });
    this.strides = [1, shape[0], shape[0] * shape[1]];
    this.counts = new Array(256).fill(0);
    for (const value of values) this.counts[value]++;
    this.touched = new Set(); // names of regions
    this.done = [];
    this.undone = [];
    this.saved = 0; // how many strokes are saved; -1: the saved state cannot be reached by undo any more
    this.stroke = null;
  }

  get dirty() {
    return this.done.length !== this.saved;
  }

  millilitres(region) {
    const voxel = this.spacing[0] * this.spacing[1] * this.spacing[2] / 1000;
    return this.regions[region].values.reduce((sum, value) => sum + this.counts[value], 0) * voxel;
  }

  begin(plane, index) {
    this.stroke = { plane, index, before: new Map(), last: null, touched: new Set(this.touched) };
  }

  // As if the stroke had not been begun.
  cancel() {
    for (const [offset, value] of this.stroke.before) this.put(offset, value);
    this.touched = this.stroke.touched;
    this.stroke = null;
  }

  // The disc of `radius` mm along the way from the last place of the stroke to `voxel`, [x, y, z] with fractions.
  paint(voxel, { region, erase, radius }) {
    const { plane, last } = this.stroke;
    const { across, down } = PLANES[plane];
    const from = last ?? voxel;
    const [dx, dy] = [across, down].map((axis) => voxel[axis] - from[axis]);
    const steps = Math.max(1, Math.ceil(2 * Math.hypot(dx, dy)));
    for (let i = last ? 1 : steps; i <= steps; i++) {
      this.disc(from[across] + (dx * i) / steps, from[down] + (dy * i) / steps, radius, region, erase);
    }
    this.stroke.last = [...voxel];
  }

  disc(x, y, radius, region, erase) {
    const { plane, index } = this.stroke;
    const { across, down } = PLANES[plane];
    const [wide, high] = [radius / this.spacing[across], radius / this.spacing[down]];
    for (let j = Math.ceil(Math.min(y - high, Math.round(y))); j <= Math.max(y + high, Math.round(y)); j++) {
      for (let i = Math.ceil(Math.min(x - wide, Math.round(x))); i <= Math.max(x + wide, Math.round(x)); i++) {
        const within = ((i - x) / wide) ** 2 + ((j - y) / high) ** 2 <= 1;
        if (within || (i === Math.round(x) && j === Math.round(y))) this.set(this.offset(plane, index, i, j), region, erase);
      }
    }
  }

  // -1 outside.
  offset(plane, index, i, j) {
    const { axis, across, down } = PLANES[plane];
    if (i < 0 || j < 0 || i >= this.shape[across] || j >= this.shape[down]) return -1;
    return index * this.strides[axis] + i * this.strides[across] + j * this.strides[down];
  }

  set(offset, region, erase) {
    if (offset < 0) return;
    const { values, paints, around } = this.regions[region];
    const before = this.values[offset];
    if (values.includes(before) !== erase) return;
    if (!this.stroke.before.has(offset)) this.stroke.before.set(offset, before);
    this.put(offset, erase ? (around ? this.regions[around].paints : 0) : paints);
    this.touch(region);
  }

  touch(region) {
    for (let name = region; name; name = this.regions[name].around) this.touched.add(name);
  }

  put(offset, value) {
    this.counts[this.values[offset]]--;
    this.counts[value]++;
    this.values[offset] = value;
  }

  // Whether anything was changed.
  end() {
    const { plane, index, before } = this.stroke;
    this.stroke = null;
    if (!before.size) return false;
    const offsets = Uint32Array.from(before.keys());
    if (this.saved > this.done.length) this.saved = -1;
    this.done.push({ plane, index, offsets, before: Uint8Array.from(before.values()), after: Uint8Array.from(offsets, (o) => this.values[o]) });
    this.undone = [];
    if (this.done.length > MOST) {
      this.done.shift();
      this.saved = Math.max(-1, this.saved - 1);
    }
    return true;
  }

  // What an outline of the region closes in this slice becomes the region. Whether anything was changed.
  fill(plane, index, region) {
    const { across, down } = PLANES[plane];
    const [width, height] = [this.shape[across], this.shape[down]];
    const { values } = this.regions[region];
    const open = new Uint8Array(width * height); // reached from the slice's edge without crossing the region
    const waiting = [];
    const reach = (i, j) => {
      if (i < 0 || j < 0 || i >= width || j >= height || open[i + width * j]) return;
      if (values.includes(this.values[this.offset(plane, index, i, j)])) return;
      open[i + width * j] = 1;
      waiting.push([i, j]);
    };
    for (let i = 0; i < width; i++) reach(i, 0), reach(i, height - 1);
    for (let j = 0; j < height; j++) reach(0, j), reach(width - 1, j);
    while (waiting.length) {
      const [i, j] = waiting.pop();
      reach(i - 1, j), reach(i + 1, j), reach(i, j - 1), reach(i, j + 1);
    }
    this.begin(plane, index);
    for (let j = 0; j < height; j++) {
      for (let i = 0; i < width; i++) if (!open[i + width * j]) this.set(this.offset(plane, index, i, j), region, false);
    }
    return this.end();
  }

  // The stroke that was taken back, or done again; null: there is none.
  undo() {
    return this.move(this.done, this.undone, "before");
  }

  redo() {
    return this.move(this.undone, this.done, "after");
  }

  move(from, to, which) {
    const stroke = this.stroke ? null : from.pop();
    if (!stroke) return null;
    stroke.offsets.forEach((offset, i) => this.put(offset, stroke[which][i]));
    to.push(stroke);
    return stroke;
  }
}

// Region -> {values: that make it, paints: the value of what lies in no region inside it, around: the region that it
// lies in or null}, from what data/model says.
export function regionsOf({ regions, paints, labels }) {
  const value = Object.fromEntries(labels.map((label) => [label.name, label.value]));
  const found = {};
  for (const [name, parts] of Object.entries(regions)) {
    const values = parts.map((part) => value[part]);
    const around = Object.keys(found).reverse().find((other) => values.every((v) => found[other].values.includes(v))) ?? null;
    found[name] = { values, paints: paints[name], around };
  }
  return found;
}
