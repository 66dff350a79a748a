// Voxels in the browser. All arrays run along the patient's axes: index [x, y, z] grows to the right, front and top.

import { ask } from "./api.js";

// `axis`: the one that slices are counted along; `across` and `down`: those of the picture. Both run backwards: the
// patient's right, or the face, is on the left, and the front, or the top of the head, is above.
export const PLANES = {
  axial: { axis: 2, across: 0, down: 1 },
  coronal: { axis: 1, across: 0, down: 2 },
  sagittal: { axis: 0, across: 1, down: 2 },
};

export async function fetchVolume(query, { coding }) {
  const buffer = await (await ask("data/volume", { query })).arrayBuffer();
  return coding.bits === 16 ? new Uint16Array(buffer) : new Uint8Array(buffer);
}

export const fetchMask = async (query) => new Uint8Array(await (await ask("data/mask", { query })).arrayBuffer());

// One slice as a picture, row by row from the top.
export function cut(values, shape, plane, index) {
  const { axis, across, down } = PLANES[plane];
  const strides = [1, shape[0], shape[0] * shape[1]];
  const [width, height] = [shape[across], shape[down]];
  const picture = new values.constructor(width * height);
  let at = 0;
  for (let row = height - 1; row >= 0; row--) {
    const start = index * strides[axis] + row * strides[down];
    for (let column = width - 1; column >= 0; column--) picture[at++] = values[start + column * strides[across]];
  }
  return picture;
}

export const sizeOf = ({ shape, spacing }, plane) => {
  const { across, down } = PLANES[plane];
  return { width: shape[across], height: shape[down], mm: [spacing[across], spacing[down]] };
};

// What of a picture is looked at first, the air around the head left out: its middle and its size in voxels.
export function contentOf({ shape, content: { first, last } }, plane) {
  const { across, down } = PLANES[plane];
  const along = (axis) => [shape[axis] - (first[axis] + last[axis] + 1) / 2, last[axis] - first[axis] + 1];
  const [[column, width], [row, height]] = [along(across), along(down)];
  return { column, row, width, height };
}

// (column, row) of a picture, counted from its upper left corner in voxels -> index [x, y, z] with fractions; the
// middle of a voxel has whole numbers.
export function toVoxel({ shape }, plane, index, [column, row]) {
  const { axis, across, down } = PLANES[plane];
  const voxel = [0, 0, 0];
  voxel[axis] = index;
  voxel[across] = shape[across] - column - 0.5;
  voxel[down] = shape[down] - row - 0.5;
  return voxel;
}

export function toPicture({ shape }, plane, voxel) {
  const { across, down } = PLANES[plane];
  return [shape[across] - voxel[across] - 0.5, shape[down] - voxel[down] - 0.5];
}

export const inside = ({ shape }, voxel) =>
  voxel.map((v, axis) => Math.min(shape[axis] - 1, Math.max(0, Math.round(v))));

export const valueAt = (values, { shape }, [x, y, z]) => values[x + shape[0] * (y + shape[1] * z)];

// The voxel of another image at the same place in the patient; along an axis where it does not reach there, at the same
// share of it.
export function samePlace(from, voxel, to) {
  const place = to.affine.slice(0, 3).map((_, row) => apply(from.affine[row], voxel));
  const found = solve(to.affine, place);
  return inside(to, found.map((v, axis) => {
    const reached = v >= -1 && v <= to.shape[axis];
    return reached ? v : Math.floor(((voxel[axis] + 0.5) / from.shape[axis]) * to.shape[axis]);
  }));
}

const apply = ([a, b, c, d], [x, y, z]) => a * x + b * y + c * z + d;

// The voxel index whose place is `place` (mm), by Cramer's rule.
function solve(affine, place) {
  const [a, b, c] = affine.slice(0, 3);
  const target = [place[0] - a[3], place[1] - b[3], place[2] - c[3]];
  const columns = [0, 1, 2].map((i) => [a[i], b[i], c[i]]);
  const whole = determinant(columns);
  return [0, 1, 2].map((i) => determinant(columns.map((column, j) => (i === j ? target : column))) / whole);
}

const determinant = ([[a, b, c], [d, e, f], [g, h, i]]) => a * (e * i - f * h) - d * (b * i - c * h) + g * (b * f - c * e);
