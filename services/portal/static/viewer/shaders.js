// The programs of the graphics processor: stored values between four cells, then levels as in levels.js.

export const VERTEX = `#version 300 es
void main() {
  gl_Position = vec4(vec2(gl_VertexID == 1 ? 3.0 : -1.0, gl_VertexID == 2 ? 3.0 : -1.0), 0.0, 1.0);
}`;

const HEAD = (sampler) => `#version 300 es
precision highp float;
precision highp int;
precision highp ${sampler};
precision highp usampler2D;
uniform ${sampler} cells;
uniform vec3 across, down;
uniform float height, snap;
uniform int taps;
uniform bool invert;
out vec4 colour;

vec2 shares(vec2 place) {
  vec2 share = fract(place);
  return vec2(share.x < snap || share.x > 1.0 - snap ? 0.0 : share.x,
      share.y < snap || share.y > 1.0 - snap ? 0.0 : share.y);
}
ivec2 base(vec2 place) { return ivec2(floor(place + snap)); }
ivec2 inside(ivec2 at) { return clamp(at, ivec2(0), textureSize(cells, 0) - 1); }
vec2 placeOf(vec2 at) { return vec2(dot(across, vec3(at, 1.0)), dot(down, vec3(at, 1.0))); }
`;

const MAIN = (body) => `
void main() {
  vec2 at = vec2(gl_FragCoord.x, height - gl_FragCoord.y);
  vec2 middle = placeOf(at) + snap;
  colour = vec4(0.0, 0.0, 0.0, 1.0);
  if (any(lessThan(middle, vec2(0.0))) || any(greaterThanEqual(middle, vec2(textureSize(cells, 0))))) return;
  for (int i = 0; i < taps; i += 1) for (int j = 0; j < taps; j += 1) {
    vec2 place = placeOf(at + (vec2(i, j) + 0.5) / float(taps) - 0.5) - 0.5;
    add(base(place), shares(place));
  }
${body}
}`;

/** Grey levels of cells of a sampler's type. */
export const GRAY = (sampler) => `${HEAD(sampler)}
uniform usampler2D levels;
uniform int form, first, last;
uniform float slope, intercept, low, gain;
uniform vec2 padding;
uniform bool inverse;
float total = 0.0, weight = 0.0;

bool absent(float stored) { return isnan(stored) || (stored >= padding.x && stored <= padding.y); }
float stored(ivec2 at) { return float(texelFetch(cells, inside(at), 0).r); }
void cell(ivec2 at, float share) {
  if (share == 0.0) return;
  float found = stored(at);
  if (absent(found)) return;
  total += found * share;
  weight += share;
}
void add(ivec2 at, vec2 share) {
  cell(at, (1.0 - share.x) * (1.0 - share.y));
  cell(at + ivec2(1, 0), share.x * (1.0 - share.y));
  cell(at + ivec2(0, 1), (1.0 - share.x) * share.y);
  cell(at + ivec2(1, 1), share.x * share.y);
}
float level(float value) {
  if (form == 3) {
    int entry = clamp(int(value) - first, 0, last);
    return float(texelFetch(levels, ivec2(entry & 255, entry >> 8), 0).r);
  }
  float found = form == 2 ? 255.0 / (1.0 + exp(clamp((value - low) * gain, -80.0, 80.0)))
      : form == 1 ? (value > low ? 255.0 : 0.0) : clamp((value - low) * gain, 0.0, 255.0);
  return floor(inverse ? 255.0 - found : found);
}
${MAIN(`
  float shown = 0.0;
  if (weight > 0.0 && !absent(stored(ivec2(middle)))) {
    float found = weight == 1.0 ? total : total / weight;
    shown = level(found * slope + intercept);
  }
  colour.rgb = vec3((invert ? 255.0 - shown : shown) / 255.0);`)}`;

/** Colours as they are. */
export const COLOUR = `${HEAD('sampler2D')}
vec3 total = vec3(0.0);
vec3 cell(ivec2 at) { return texelFetch(cells, inside(at), 0).rgb; }
void add(ivec2 at, vec2 share) {
  total += mix(mix(cell(at), cell(at + ivec2(1, 0)), share.x),
      mix(cell(at + ivec2(0, 1)), cell(at + ivec2(1, 1)), share.x), share.y);
}
${MAIN(`
  vec3 found = total / float(taps * taps);
  colour.rgb = invert ? 1.0 - found : found;`)}`;
