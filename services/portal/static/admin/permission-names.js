// Permissions in the reader's words, and the choices of a form.

import { ApiError, request } from '../app/api.js';
import { hasText, t } from '../app/i18n.js';
import { currentUser } from '../app/session.js';

/** What a permission allows, e.g. "ver cuentas"; the code itself for those of a newer server. */
export function permissionName(codename) {
  if (hasText(`permission.${codename}`)) return t(`permission.${codename}`);
  const [act, model] = [codename.slice(0, codename.indexOf('_')), codename.slice(codename.indexOf('_') + 1)];
  if (!hasText(`permissionAct.${act}`) || !hasText(`permissionModel.${model}`)) return codename;
  return t(`permissionAct.${act}`, { what: t(`permissionModel.${model}`) });
}

/** Every permission there is; who may not list them chooses among their own, the only ones they can give. */
export async function permissionChoices() {
  let names;
  try {
    names = (await request('/api/auth/permissions')).permissions.map(({ codename }) => codename);
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 403) throw error;
    names = currentUser().permissions;
  }
  return names.map((codename) => ({ value: codename, label: permissionName(codename), hint: codename }));
}

/** All groups, as choices. */
export async function groupChoices() {
  const found = [];
  let cursor = null;
  do {
    const page = await request(`/api/auth/groups?limit=500${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`);
    found.push(...page.groups.map(({ id, name }) => ({ value: String(id), label: name })));
    cursor = page.next_cursor;
  } while (cursor !== null);
  return found;
}
