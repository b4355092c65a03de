// Drawing by WebGL 2: a frame is a texture of its stored values, everything else happens in the shader.

import { sceneOf, SNAP } from './scene.js';
import { COLOUR, GRAY, VERTEX } from './shaders.js';

/** @typedef {import('./scene.js').Picture} Picture @typedef {import('./scene.js').Scene} Scene */

const FORMS = { ramp: 0, step: 1, sigmoid: 2, lut: 3 };
const NONE = [1, 0]; // padding of nothing

// By type of the values: sampler, internal format, format and type of a texture.
const TEXTURES = {
  uint8: ['usampler2D', 'R8UI', 'RED_INTEGER', 'UNSIGNED_BYTE'],
  int8: ['isampler2D', 'R8I', 'RED_INTEGER', 'BYTE'],
  uint16: ['usampler2D', 'R16UI', 'RED_INTEGER', 'UNSIGNED_SHORT'],
  int16: ['isampler2D', 'R16I', 'RED_INTEGER', 'SHORT'],
  float32: ['sampler2D', 'R32F', 'RED', 'FLOAT'],
  rgb8: ['colour', 'RGB8', 'RGB', 'UNSIGNED_BYTE'],
  rgba: ['colour', 'RGBA8', 'RGBA', 'UNSIGNED_BYTE'],
};

export class GlDrawing {
  kind = /** @type {const} */ ('webgl2');
  #gl;
  #canvas;
  #programs = new Map();
  /** What the textures were made of, so that a moved window uploads nothing. */
  #made = new Map();
  /** @type {WebGLTexture | null} */
  #levels = null;

  /** @param {WebGL2RenderingContext} gl @param {HTMLCanvasElement} canvas */
  constructor(gl, canvas) {
    this.#gl = gl;
    this.#canvas = canvas;
  }

  /** After the context was lost nothing of it is left. */
  forget() {
    this.#programs.clear();
    this.#made.clear();
    this.#levels = null;
  }

  /** @param {Picture | null} picture */
  draw(picture) {
    const gl = this.#gl;
    if (gl.isContextLost()) return;
    gl.viewport(0, 0, this.#canvas.width, this.#canvas.height);
    gl.clearColor(0, 0, 0, 1);
    gl.clear(gl.COLOR_BUFFER_BIT);
    if (!picture) return;
    const held = this.#made.get(picture.values ? 'values' : 'preview');
    const same = held && held.of === (picture.values ?? picture.preview);
    // A preview that was closed since lives on as its texture.
    const shown = same && !picture.values ? { ...picture, preview: held.size } : picture;
    const scene = sceneOf(shown, {
      most: gl.getParameter(gl.MAX_TEXTURE_SIZE),
      cells: same ? held.cells : null,
    });
    if (scene) this.#paint(scene, picture);
  }

  /** RGBA of the canvas as drawn last, row by row from the top; right after `draw` only. */
  pixels() {
    const { width, height } = this.#canvas;
    const [from, to] = [new Uint8Array(width * height * 4), new Uint8ClampedArray(width * height * 4)];
    this.#gl.readPixels(0, 0, width, height, this.#gl.RGBA, this.#gl.UNSIGNED_BYTE, from);
    for (let row = 0; row < height; row += 1) {
      to.set(from.subarray(row * width * 4, (row + 1) * width * 4), (height - 1 - row) * width * 4);
    }
    return to;
  }

  dispose() {
    for (const { texture } of this.#made.values()) this.#gl.deleteTexture(texture);
    this.#gl.deleteTexture(this.#levels);
    for (const { program } of this.#programs.values()) this.#gl.deleteProgram(program);
    this.forget();
  }

  /** @param {Scene} scene @param {Picture} picture */
  #paint({ cells, info, form, inverse: [a, b, c, d, e, f], taps, invert }, picture) {
    const gl = this.#gl;
    const { program, places } = this.#program(TEXTURES[cells.type][0]);
    gl.useProgram(program);
    gl.activeTexture(gl.TEXTURE0);
    this.#texture(cells, picture);
    gl.uniform1i(places.cells, 0);
    gl.uniform3f(places.across, a, c, e);
    gl.uniform3f(places.down, b, d, f);
    gl.uniform1f(places.height, this.#canvas.height);
    gl.uniform1f(places.snap, SNAP);
    gl.uniform1i(places.taps, taps);
    gl.uniform1i(places.invert, Number(invert));
    if (form) this.#setLevels(places, info, form);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  /** @param {import('./scene.js').FrameInfo} info @param {import('./levels.js').Shape} form */
  #setLevels(places, info, form) {
    const gl = this.#gl;
    const { low = 0, gain = 0, levels = null, first = 0 } = form;
    gl.activeTexture(gl.TEXTURE1);
    this.#levels ??= this.#newTexture();
    gl.bindTexture(gl.TEXTURE_2D, this.#levels);
    const rows = Math.ceil((levels?.length ?? 1) / 256);
    const padded = new Uint8Array(rows * 256);
    if (levels) padded.set(levels);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.R8UI, 256, rows, 0, gl.RED_INTEGER, gl.UNSIGNED_BYTE, padded);
    gl.uniform1i(places.levels, 1);
    gl.uniform1i(places.first, first);
    gl.uniform1i(places.last, (levels?.length ?? 1) - 1);
    gl.uniform1i(places.form, FORMS[form.form === 'ramp' && gain === 0 ? 'step' : form.form]);
    gl.uniform1f(places.low, low);
    gl.uniform1f(places.gain, gain);
    gl.uniform1f(places.slope, info.slope);
    gl.uniform1f(places.intercept, info.intercept);
    gl.uniform1i(places.inverse, Number(info.presentation_inverse));
    gl.uniform2fv(places.padding, info.padding ?? NONE);
  }

  #newTexture() {
    const gl = this.#gl;
    const texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST); // of integers, nothing else is complete
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    return texture;
  }

  /** Bind the texture of these cells, made anew where they are others than last.
   * @param {import('./scene.js').Cells} cells @param {Picture} picture */
  #texture(cells, picture) {
    const gl = this.#gl;
    const place = picture.values ? 'values' : 'preview';
    const of = picture.values ?? picture.preview;
    const held = this.#made.get(place);
    const texture = held?.texture ?? this.#newTexture();
    gl.bindTexture(gl.TEXTURE_2D, texture);
    if (held?.of === of) return;
    const [, inner, format, type] = TEXTURES[cells.type].map((name) => gl[name]);
    const { source, columns, rows } = cells;
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
    if (source instanceof ImageBitmap) gl.texImage2D(gl.TEXTURE_2D, 0, inner, format, type, source);
    else gl.texImage2D(gl.TEXTURE_2D, 0, inner, columns, rows, 0, format, type, source);
    this.#made.set(place, { of, texture, cells, size: { width: columns, height: rows } });
  }

  #program(sampler) {
    const known = this.#programs.get(sampler);
    if (known) return known;
    const gl = this.#gl;
    const program = gl.createProgram();
    const sources = [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, sampler === 'colour' ? COLOUR : GRAY(sampler)]];
    for (const [type, source] of /** @type {[number, string][]} */ (sources)) {
      const shader = gl.createShader(type);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
      gl.deleteShader(shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
      const logs = gl.getAttachedShaders(program).map((shader) => gl.getShaderInfoLog(shader));
      throw new Error([gl.getProgramInfoLog(program), ...logs].join('\n'));
    }
    const count = gl.getProgramParameter(program, gl.ACTIVE_UNIFORMS) ?? 0;
    const names = Array.from({ length: count }, (_, index) => gl.getActiveUniform(program, index).name);
    const made = {
      program,
      places: Object.fromEntries(names.map((name) => [name, gl.getUniformLocation(program, name)])),
    };
    this.#programs.set(sampler, made);
    return made;
  }
}
