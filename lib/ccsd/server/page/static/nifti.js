// A mask as a NIfTI-1 file (nifti1.h), so that saving goes the way that every client's label goes.

const HEADER = 352; // bytes, an empty extension among them
const UINT8 = 2;
const MM = 2;
const SCANNER = 1; // coordinates

// `values`: Uint8Array as volume.js says; `affine`: voxel -> RAS+ mm. A Blob, gzip.
export async function gzippedNifti(values, { shape, spacing, affine }) {
  const header = new DataView(new ArrayBuffer(HEADER));
  const shorts = (at, numbers) => numbers.forEach((n, i) => header.setInt16(at + 2 * i, n, true));
  const floats = (at, numbers) => numbers.forEach((n, i) => header.setFloat32(at + 4 * i, n, true));
  header.setInt32(0, 348, true);
  shorts(40, [3, ...shape, 1, 1, 1, 1]);
  shorts(70, [UINT8, 8]);
  floats(76, [1, ...spacing, 0, 0, 0, 0]);
  floats(108, [HEADER, 1, 0]); // where the voxels begin; slope and intercept
  header.setUint8(123, MM);
  shorts(252, [0, SCANNER]); // no quaternion, the affine alone
  affine.slice(0, 3).forEach((row, i) => floats(280 + 16 * i, row));
  [..."n+1"].forEach((letter, i) => header.setUint8(344 + i, letter.charCodeAt(0)));
  const plain = new Blob([header, values]).stream();
  return new Response(plain.pipeThrough(new CompressionStream("gzip"))).blob();
}
