// Names of the DICOM attributes (PS3.6), and the usual ones in Spanish, loaded when first needed.

const loading = new Map();

async function read(file) {
  const response = await fetch(new URL(file, import.meta.url));
  if (!response.ok) throw new Error(`${file}: HTTP ${response.status}`);
  return response.json();
}

function load(file) {
  if (!loading.has(file)) {
    const names = read(file).catch(() => {
      loading.delete(file); // asked for again next time
      return {};
    });
    loading.set(file, names);
  }
  return loading.get(file);
}

/**
 * Names by tag, e.g. {"00100010": "Patient's Name"}; empty when they cannot be had. `local`: those of a language, which
 * has only some; empty in English.
 * @returns {Promise<{names: Record<string, string>, local: Record<string, string>}>}
 */
export async function loadNames(language) {
  const [names, local] = await Promise.all([
    load('./attribute-names.json'),
    language === 'es' ? load('./attribute-names-es.json') : {},
  ]);
  return { names, local };
}
