// What drawing and measuring have to know of one frame, in one flat object.

/**
 * @typedef {{center: number, width: number, function?: string, name?: string | null}} HeaderWindow
 * @typedef {{x0: number, y0: number, x1: number, y1: number, dx: number, dy: number, unit_x: string,
 *   unit_y: string}} Region
 * @typedef {'uint8' | 'int8' | 'uint16' | 'int16' | 'float32' | 'rgb8'} ValueType
 */

/**
 * One frame as the stack's answer tells it; `key` names it in caches, `frame` counts from 1.
 * @typedef {{key: string, index: number, frame: number, frames: number, file_id: string, kind: string, state: string,
 *   error: {code: string, detail: string} | null, modality: string, rows: number, columns: number, values: ValueType,
 *   samples: number, photometric: string, bits_stored: number, signed: boolean, float: boolean,
 *   slope: number, intercept: number, unit: string | null, windows: HeaderWindow[],
 *   voi_lut: {first: number, bits: number, entries: number[]} | null, presentation_inverse: boolean,
 *   padding: [number, number] | null, range: [number, number] | null,
 *   spacing: [number, number] | null, spacing_kind: 'pixel' | 'imager' | 'region' | 'none',
 *   pixel_aspect: [number, number] | null, regions: Region[], laterality: string | null, view: string | null,
 *   patient_orientation: string[] | null, slice_thickness: number | null, acquired: string | null,
 *   position: number[] | null, orientation: number[] | null, frame_times: number | number[] | null}} FrameInfo
 */

/** The frame at `index` of a group of the stack. @returns {FrameInfo} */
export function frameInfo(stack, group, index) {
  const [number, frame] = group.frames[index];
  const { per_frame: perFrame, ...instance } = stack.instances[number];
  return {
    ...instance,
    ...(perFrame?.[frame - 1] ?? {}),
    modality: stack.modality,
    frame,
    index,
    key: `${instance.file_id}/${frame}`,
  };
}

/** All frames of a group, in the order in which they are scrolled. @returns {FrameInfo[]} */
export function frameInfos(stack, group) {
  return group.frames.map((_, index) => frameInfo(stack, group, index));
}
