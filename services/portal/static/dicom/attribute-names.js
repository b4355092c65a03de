// Names of the DICOM attributes (PS3.6), loaded when first needed.

let loading = null;

/** Names by tag, e.g. {"00100010": "Patient's Name"}; empty when they cannot be had. */
export function loadNames() {
  loading ??= fetch(new URL('./attribute-names.json', import.meta.url)).then(
    (response) => (response.ok ? response.json() : {}),
    () => {
      loading = null;
      return {};
    },
  );
  return loading;
}
