// Names of the DICOM attributes (PS3.6), loaded when first needed.

let loading = null;

/** Keywords by tag, e.g. {"00100010": "PatientName"}; empty when they cannot be had. */
export function loadKeywords() {
  loading ??= fetch(new URL('../dicom-keywords.json', import.meta.url)).then(
    (response) => (response.ok ? response.json() : {}),
    () => {
      loading = null;
      return {};
    },
  );
  return loading;
}
