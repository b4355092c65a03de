// Spanish and English. Who shows sentences renders them anew at `languagechange`.

export const LANGUAGES = ['es', 'en'];
const STORED = 'dicom.language';

const areas = new Set(['core']); // of the texts: each page's are loaded with it
let language = LANGUAGES[0];
let dictionary = {};
let plurals = new Intl.PluralRules(language);

/** The language in use, also the locale of numbers and dates. */
export function currentLanguage() {
  return language;
}

/** The reader's earlier choice, else the browser's first language that we speak, else Spanish. */
export function preferredLanguage() {
  const stored = localStorage.getItem(STORED);
  if (LANGUAGES.includes(stored)) return stored;
  const spoken = (navigator.languages ?? [navigator.language]).map((tag) => tag.slice(0, 2).toLowerCase());
  return spoken.find((tag) => LANGUAGES.includes(tag)) ?? LANGUAGES[0];
}

async function texts(code, area) {
  const response = await fetch(new URL(`../i18n/${code}/${area}.json`, import.meta.url));
  if (!response.ok) throw new Error(`${area}: HTTP ${response.status}`);
  return response.json();
}

/** Have the sentences of these areas, e.g. `upload`, in the language in use and in every later one. */
export async function loadAreas(names) {
  const missing = names.filter((name) => !areas.has(name));
  if (missing.length === 0) return;
  const code = language;
  const loaded = await Promise.all(missing.map((area) => texts(code, area)));
  if (code !== language) {
    await loadAreas(names); // the reader chose another one meanwhile
    return;
  }
  for (const name of missing) areas.add(name);
  Object.assign(dictionary, ...loaded);
}

/**
 * Load the dictionaries and tell everybody (`languagechange` on `document`).
 * `more`: areas to load with those that are there already.
 */
export async function useLanguage(code, { remember = false, more = [] } = {}) {
  for (const name of more) areas.add(name);
  const loaded = await Promise.all([...areas].map((area) => texts(code, area)));
  dictionary = Object.assign({}, ...loaded);
  language = code;
  plurals = new Intl.PluralRules(code);
  if (remember) localStorage.setItem(STORED, code);
  document.documentElement.lang = code;
  document.dispatchEvent(new CustomEvent('languagechange'));
}

/** Whether the dictionary has this key (for codes that a newer server may send). */
export function hasText(key) {
  return key in dictionary;
}

/** The text of `key`. `{name}` takes `parameters.name`; a `count` picks `key.one` or `key.other`. */
export function t(key, parameters = {}) {
  const plural = `${key}.${plurals.select(Number(parameters.count ?? 0))}`;
  const text = dictionary[key] ?? dictionary[plural] ?? dictionary[`${key}.other`] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in parameters ? show(parameters[name]) : whole));
}

function show(value) {
  if (typeof value === 'function') return show(value()); // formatted anew in each language
  return typeof value === 'number' ? new Intl.NumberFormat(language).format(value) : String(value);
}
