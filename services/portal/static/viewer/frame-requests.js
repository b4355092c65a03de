// One frame over HTTP: its stored values, or a preview of it.

import { whole } from '../app/api.js';

/**
 * @typedef {import('./frame-info.js').FrameInfo} FrameInfo
 * @typedef {import('./levels.js').Values} Values
 * @typedef {import('./levels.js').Window} Window
 */

const TYPES = {
  uint8: Uint8Array,
  int8: Int8Array,
  uint16: Uint16Array,
  int16: Int16Array,
  float32: Float32Array,
  rgb8: Uint8Array,
};

const path = ({ file_id: file, frame }) => `/api/results/${encodeURIComponent(file)}/frames/${frame}`;

/** How many bytes the values of a frame take; more than anything where it has none. @param {FrameInfo} info */
export function valuesSize({ rows, columns, values }) {
  return rows * columns * (values === 'rgb8' ? 3 : TYPES[values]?.BYTES_PER_ELEMENT) || Infinity;
}

/** Where the preview is; `window` null: as the header says. @param {FrameInfo} info @param {Window | null} window */
export function previewPath(info, size, window) {
  const asked = window?.kind === 'window'
    ? `${window.center},${window.width},${window.function.toLowerCase().replace('_', '-')}`
    : window?.kind;
  return `${path(info)}?${new URLSearchParams({ as: 'preview', size, ...(asked && { window: asked }) })}`;
}

/** @param {FrameInfo} info @returns {Promise<Blob>} */
export async function askPreview(api, info, { size, window, signal }) {
  const address = previewPath(info, size, window);
  const response = await api(address, { signal, headers: { Accept: 'image/jpeg' } });
  return whole(address, response.blob());
}

/** The values as the numbers that they are; RangeError where an answer is none of this frame.
 * @param {FrameInfo} info @returns {Promise<Values>} */
export async function askValues(api, info, { signal }) {
  const headers = { Accept: 'application/octet-stream' };
  const address = `${path(info)}?as=values`;
  const response = await api(address, { signal, headers });
  const told = response.headers.get('X-Frame-Values') ?? info.values;
  const buffer = await whole(address, response.arrayBuffer());
  if (told !== info.values || buffer.byteLength !== valuesSize(info)) {
    throw new RangeError(`${buffer.byteLength} bytes of ${told} are no frame of ${info.rows} × ${info.columns}`);
  }
  return new TYPES[info.values](buffer);
}
