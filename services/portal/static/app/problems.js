// Problem codes and failure reasons in the reader's words, with the server's own sentence as the small print.

import { NetworkError } from './api.js';
import { currentLanguage, hasText, t } from './i18n.js';

/** One sentence for a problem code, with what its document says. Codes that this release does not know get a general one. */
export function problemText(code, problem = {}) {
  return hasText(`problem.${code}`) ? t(`problem.${code}`, problem) : t('problem.unknown', { code });
}

/** The server's own sentence: for readers of English, and for codes that this release does not know. */
export function problemDetail({ code, detail }) {
  return currentLanguage() === 'en' || !hasText(`problem.${code}`) ? (detail ?? '') : '';
}

/** Whether this release has a sentence for why processing failed. */
export function knowsFailure(reason) {
  return hasText(`failure.${reason}`);
}

/** One sentence for why processing failed. */
export function failureText(reason) {
  return knowsFailure(reason) ? t(`failure.${reason}`) : t('failure.unknown', { reason });
}

/** The code of a problem; none for errors of the browser's own, whose `code`, if any, is a number. */
export function problemCode({ code }) {
  return typeof code === 'string' ? code : '';
}

/** One sentence for anything that `request` throws, or that went wrong in the browser. */
export function errorText(error) {
  if (error instanceof NetworkError) return t('problem.network');
  return problemCode(error) ? problemText(error.code, error.problem) : t('error.unexpected');
}
