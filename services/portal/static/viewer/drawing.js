// One canvas that shows frames: by WebGL 2 where the machine has hardware for it, else by the processor. Only what
// draws here is loaded.

/** @typedef {import('./scene.js').Picture} Picture @typedef {'webgl2' | '2d'} Kind */

const PLAIN = { alpha: false, antialias: false, depth: false, stencil: false };
const SOFTWARE = /swiftshader|llvmpipe|softpipe|software|basic render/i;
const found = { kind: /** @type {Kind | null} */ (null) };

/** How this machine draws best: browsers do not all say so when software plays a graphics processor. */
function bestKind() {
  if (found.kind === null) {
    const gl = document.createElement('canvas').getContext('webgl2', { ...PLAIN, failIfMajorPerformanceCaveat: true });
    let name = gl?.getParameter(gl.RENDERER) ?? '';
    const unmasked = name === 'WebKit WebGL' ? gl.getExtension('WEBGL_debug_renderer_info') : null;
    if (unmasked) name = gl.getParameter(unmasked.UNMASKED_RENDERER_WEBGL);
    found.kind = gl !== null && !SOFTWARE.test(name) ? 'webgl2' : '2d';
  }
  return found.kind;
}

const byProcessor = () => import('./draw-2d.js');
const byGraphics = () => import('./draw-gl.js');

/** Load what draws on this machine, so that the first picture need not wait for it. */
export function prepareDrawing() {
  return bestKind() === 'webgl2' ? byGraphics() : byProcessor();
}

async function engineOf(canvas, kind) {
  if (kind === 'webgl2') {
    const { GlDrawing } = await byGraphics();
    const gl = canvas.getContext('webgl2', PLAIN);
    if (gl) return new GlDrawing(gl, canvas);
  }
  const { FlatDrawing } = await byProcessor();
  return new FlatDrawing(canvas.getContext('2d', { alpha: false, willReadFrequently: true }), canvas);
}

/**
 * A drawing on a canvas that nothing else draws on; `kind` as asked for, `auto`: what the machine does well. Pictures
 * appear once it is `ready`.
 * @param {HTMLCanvasElement} canvas @param {{kind?: 'auto' | Kind}} [options]
 */
export function createDrawing(canvas, { kind = 'auto' } = {}) {
  const wanted = kind === 'auto' ? bestKind() : kind;
  /** @type {Awaited<ReturnType<typeof engineOf>> | null} */
  let engine = null;
  /** @type {Picture | null} */
  let last = null;
  let disposed = false;
  const redraw = () => engine?.draw(last);
  const lost = (event) => {
    event.preventDefault(); // or it would never come back
    engine?.forget();
  };
  canvas.addEventListener('webglcontextlost', lost);
  canvas.addEventListener('webglcontextrestored', redraw);
  /** @type {Promise<void> | null} */
  let loading = null;
  const load = () => {
    loading ??= engineOf(canvas, wanted).then(
      (made) => {
        if (disposed) made.dispose();
        else engine = made;
        redraw();
      },
      (error) => {
        loading = null; // the network may be back for the next picture
        throw error;
      },
    );
    return loading;
  };
  return {
    /** What draws, or will. @returns {Kind} */
    get kind() {
      return engine?.kind ?? wanted;
    },
    get ready() {
      return load();
    },
    /**
     * Show a frame: its values, else its preview, else black. `view` as `viewOf` gives it for this canvas; values in
     * grey need a window. @param {Picture | null} picture
     */
    draw(picture) {
      last = picture;
      if (engine) redraw();
      else load().catch(() => {}); // told to who waits until it is ready
    },
    /** Draw the same once more: the canvas may be copied in the same task. */
    redraw,
    /** RGBA of the canvas, row by row from the top; once it is ready. */
    pixels() {
      redraw();
      return engine.pixels();
    },
    dispose() {
      disposed = true;
      canvas.removeEventListener('webglcontextlost', lost);
      canvas.removeEventListener('webglcontextrestored', redraw);
      last = null;
      engine?.dispose();
      engine = null;
    },
  };
}
