// What a browser calls itself, as people call it. Nothing here touches the page.

const BROWSERS = [
  [/Edg\//, 'Edge'],
  [/OPR\//, 'Opera'],
  [/Firefox\//, 'Firefox'],
  [/Chrom(e|ium)\//, 'Chrome'],
  [/Version\/.* Safari\//, 'Safari'],
];
const SYSTEMS = [
  [/iPhone|iPad/, 'iOS'],
  [/Android/, 'Android'],
  [/Windows/, 'Windows'],
  [/Mac OS X/, 'macOS'],
  [/CrOS/, 'ChromeOS'],
  [/Linux/, 'Linux'],
];

const named = (table, text) => table.find(([pattern]) => pattern.test(text))?.[1];

/** For example `Firefox · Linux`; of a program, what it calls itself; empty for nothing. */
export function deviceName(userAgent) {
  const browser = named(BROWSERS, userAgent);
  if (browser === undefined) return userAgent.split(/[\s/]/)[0];
  return [browser, named(SYSTEMS, userAgent)].filter(Boolean).join(' · ');
}
