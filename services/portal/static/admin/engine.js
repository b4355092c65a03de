// What describes a resource of the administration, and what a reader may do with it. A file below descriptors/ with its
// sentences, named in resources.js, makes its pages.

import { pageAddress } from '../app/addresses.js';
import { hasText, t } from '../app/i18n.js';

/**
 * @typedef {{user: any, names: (kind: string, id: number) => string}} Context who looks, and how owners are called
 * @typedef {{name: string, label?: string, sort?: string, ascending?: boolean, wide?: boolean, class?: string,
 *   cell: (row: any, context: Context) => any}} AdminColumn `sort`: the server's name; `wide`: away on narrow pages
 * @typedef {{name: string, label?: string, values?: string[], text?: (value: string) => string,
 *   load?: () => Promise<{value: string, label: string}[]>, typed?: 'text' | 'date', ask?: (value: string) => string}} AdminFilter
 * `ask`: what the server is asked for it
 * @typedef {{value: string, label: string, hint?: string}} Choice
 * @typedef {{name: string, kind?: string, label?: string, required?: boolean, add?: boolean, change?: boolean, secret?: boolean,
 *   autocomplete?: string, start?: any, values?: string[], text?: (value: string) => string, load?: () => Promise<Choice[]>, numbers?: boolean, words?: boolean,
 *   read?: (row: any) => any, closed?: (row: any, context: Context) => boolean, more?: Record<string, any>}} AdminField
 * `kind`: text, email, password, number, check, select, picker, account
 * @typedef {{name: string, icon?: string, permission: string | null, tone?: string, many?: boolean, ask?: AdminField[],
 *   typed?: boolean, applies?: (row: any, context: Context) => boolean,
 *   run?: (row: any, values: any) => Promise<any>, together?: (rows: any[], values: any) => Promise<any>,
 *   done?: (answer: any) => number, show?: (answer: any) => string | null}} AdminAction
 * `run`: on one row after the other; `together`: on all of them by one request, of which `done` says how many it reached;
 * `typed`: it takes a word; `show`: what of its answer is shown once, e.g. a link
 */

/**
 * @typedef {object} Descriptor
 * @property {string} name of its page, `/admin/<name>`, and of its sentences, `admin<Name>.…`
 * @property {string} area the block of the start page: files, identity, access, processing, audit
 * @property {string} icon
 * @property {{view: string, add?: string, change?: string, delete?: string}} permissions
 * @property {import('../app/page.js').Route} [page] a page of its own in place of list and form
 * @property {string} [path] of the list
 * @property {Record<string, string>} [always] parameters of every question
 * @property {string} [list] the member of its answer that holds the rows
 * @property {boolean} [local] the answer is whole: searched and sorted here
 * @property {(row: any) => string} [key]
 * @property {(row: any) => string} [title]
 * @property {(q: string) => Promise<Record<string, string>>} [find] what the server is asked for a search, where one parameter is not enough
 * @property {(row: any) => string} [words] what is searched of a row, for `local`
 * @property {string} [search] the parameter that takes what is searched
 * @property {string} [sort] the order of the start
 * @property {AdminColumn[]} [columns]
 * @property {AdminFilter[]} [filters]
 * @property {AdminAction[]} [actions] on rows
 * @property {{name: string, icon: string, permission: string, href: string}[]} [exports] files of what is found, by format
 * @property {(row: any) => {users?: number[], groups?: number[]}} [owners] whose names the row shows
 * @property {AdminField[]} [fields] of its form; without, rows have no page
 * @property {string} [item] path of one object without its key, where it is not `path`
 * @property {boolean} [whole] there is no call for one object: it is looked for in the list
 * @property {(row: any) => string} [href] a page of the portal that shows the row
 * @property {(row: any, context: Context) => [string, any][]} [facts] what a row says when it is opened
 * @property {(row: any) => string[]} [goesWith] what deleting it takes along
 * @property {any} [Beside] a component below the form, given {row, context}
 * @property {any} [Above] a component above the list, given {context, list, onDone}
 * @property {number} [refresh] seconds after which the list is asked for again
 * @property {[string, string]} [model] app label and model, for its history
 * @property {(answer: any) => string | null} [made] what of the answer to adding is shown once
 */

/** The blocks of the start page. */
export const AREAS = ['files', 'identity', 'access', 'processing', 'audit'];

/** Whether the reader may do this to the resource, as far as their permissions tell; the server decides. */
export function may(user, descriptor, act) {
  const permission = descriptor.permissions[act];
  return permission !== undefined && user.permissions.includes(permission);
}

/** Those of `actions` that the reader may take. */
export function actionsFor(user, descriptor) {
  return (descriptor.actions ?? []).filter(
    ({ permission }) => permission === null || user.permissions.includes(permission),
  );
}

/** A page below /admin. */
export function adminAddress(...parts) {
  return pageAddress(['/admin', ...parts.map(encodeURIComponent)].join('/'));
}

/** What the resource is called: many of it, or `one`. */
export function nameOf(descriptor, form = 'many') {
  return t(`admin.${descriptor.name}.${form}`);
}

/** What a field or a column is called. */
export function labelOf({ name, label = name }) {
  return t(`adminField.${label}`);
}

/** The sentence of a key that need not exist. */
export function textOr(key, other, parameters = {}) {
  return hasText(key) ? t(key, parameters) : other;
}

/** Path of one object. */
export function itemPath(descriptor, key) {
  return `${descriptor.item ?? descriptor.path}/${encodeURIComponent(key)}`;
}
