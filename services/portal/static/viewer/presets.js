// Windows with a name: of the modality, and of the header.

import { headerWindow } from './levels.js';

/** @typedef {import('./levels.js').Window} Window */

const CT = [
  ['soft-tissue', 400, 40],
  ['lung', 1500, -600],
  ['liver', 150, 90],
  ['bone', 2500, 480],
  ['brain', 80, 40],
];

/**
 * What a reader may choose for this frame: `key` is the digit that chooses it, `name` one of ours, `title` the header's
 * own explanation. @param {import('./frame-info.js').FrameInfo} info
 * @returns {{key: string | null, name: string, title: string | null, window: Window}[]}
 */
export function presetsOf(info) {
  if (info.values === 'rgb8') return [];
  /** @type {{name: string, title: string | null, window: Window}[]} */
  const own = (info.windows ?? []).flatMap((each) => {
    const window = headerWindow(each);
    return window ? [{ name: 'header', title: each.name ?? null, window }] : [];
  });
  if (info.voi_lut) own.unshift({ name: 'lut', title: null, window: { kind: 'lut' } });
  const ours = info.modality === 'CT' ? CT : [];
  return [
    ...own.map((each, index) => ({ key: index === 0 ? '0' : null, ...each })),
    ...ours.map(([name, width, center], index) => ({
      key: String(index + 1),
      name: /** @type {string} */ (name),
      title: null,
      window: /** @type {Window} */ ({ kind: 'window', center, width, function: 'LINEAR' }),
    })),
  ];
}

/** The window that a digit chooses, or null. @returns {Window | null} */
export function presetFor(key, info) {
  return presetsOf(info).find((preset) => preset.key === key)?.window ?? null;
}
