// Slices as canvases of one pixel a voxel, and outlines of what is marked in them.

import { cut, sizeOf } from "./volume.js";

// `window`: [black, white] in the image's own values.
export function greyPicture(image, plane, index, [black, white]) {
  const { low, step, bits } = image.view.coding;
  const table = new Uint8ClampedArray(2 ** bits);
  for (let i = 0; i < table.length; i++) table[i] = (255 * (low + step * i - black)) / (white - black || 1e-6);
  return paint(image.view, plane, cut(image.values, image.view.shape, plane, index), (value, pixels, at) => {
    const grey = table[value];
    pixels[at] = pixels[at + 1] = pixels[at + 2] = grey;
    pixels[at + 3] = 255;
  });
}

// `colours`: by value [r, g, b, alpha of 255]; values without one are clear.
export function colourPicture(view, values, plane, index, colours) {
  return paint(view, plane, cut(values, view.shape, plane, index), (value, pixels, at) => {
    const colour = colours[value];
    if (colour) pixels.set(colour, at);
  });
}

function paint(view, plane, slice, put) {
  const { width, height } = sizeOf(view, plane);
  const canvas = new OffscreenCanvas(width, height);
  const brush = canvas.getContext("2d");
  const data = brush.createImageData(width, height);
  for (let i = 0; i < slice.length; i++) put(slice[i], data.data, 4 * i);
  brush.putImageData(data, 0, 0);
  return canvas;
}

// Value -> its border, along the edges of voxels, in voxels from the picture's upper left corner.
export function outlines(view, values, plane, index) {
  const { width, height } = sizeOf(view, plane);
  const slice = cut(values, view.shape, plane, index);
  const paths = new Map();
  const line = (value, x0, y0, x1, y1) => {
    if (!paths.has(value)) paths.set(value, new Path2D());
    paths.get(value).moveTo(x0, y0);
    paths.get(value).lineTo(x1, y1);
  };
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const value = slice[y * width + x];
      if (!value) continue;
      if (x === 0 || slice[y * width + x - 1] !== value) line(value, x, y, x, y + 1);
      if (x === width - 1 || slice[y * width + x + 1] !== value) line(value, x + 1, y, x + 1, y + 1);
      if (y === 0 || slice[(y - 1) * width + x] !== value) line(value, x, y, x + 1, y);
      if (y === height - 1 || slice[(y + 1) * width + x] !== value) line(value, x, y + 1, x + 1, y + 1);
    }
  }
  return paths;
}
