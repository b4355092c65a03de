// Other programs that a study opens in (VIEWERS), as a menu. They are asked for nothing and told the study's UID alone.

import { t } from '../app/i18n.js';
import { byLink } from '../app/link-mode.js';
import { html } from '../ui/html.js';
import { Icon } from '../ui/icon.js';
import { Menu } from '../ui/menu.js';
import { linkSheet } from '../ui/sheet.js';

linkSheet(new URL('./open-with.css', import.meta.url));

/** @returns {[name: string, address: string][]} */
function configured() {
  return JSON.parse(document.documentElement.dataset.viewers ?? '[]');
}

/** The address of a study in a viewer: the server has filled in all but these two. */
export function viewerAddress(address, study) {
  const values = { studyUid: study.study_instance_uid, collection: study.collection };
  return address.replace(/\{(studyUid|collection)\}/g, (_, name) => encodeURIComponent(values[name]));
}

/**
 * Nothing where none is configured, and for whoever reads by a link: it opens no DICOMweb.
 * @param {{study: {study_instance_uid: string, collection: string}, class?: string}} properties
 */
export function OpenWith({ study, class: extra = '' }) {
  const viewers = byLink ? [] : configured();
  if (viewers.length === 0) return null;
  const button = html`<span>${t('viewers.openWith')}</span><${Icon} name="chevron" />`;
  const items = viewers.map(([name, address]) => ({ label: name, href: viewerAddress(address, study) }));
  return html`<${Menu} class=${`filter-menu open-with ${extra}`} label=${t('viewers.openWith')} button=${button} items=${items} />`;
}
