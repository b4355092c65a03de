// Light, dark, or as the system says.

const STORED = 'dicom.theme';

export const THEMES = ['system', 'light', 'dark'];

/** The reader's choice. */
export function currentTheme() {
  const stored = localStorage.getItem(STORED);
  return THEMES.includes(stored) ? stored : 'system';
}

/** Choose one, now and for later visits; without one, show the choice of before. */
export function useTheme(theme = currentTheme()) {
  if (theme === 'system') localStorage.removeItem(STORED);
  else localStorage.setItem(STORED, theme);
  if (theme === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}
