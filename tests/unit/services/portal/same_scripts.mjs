// Whether scripts are the same programs but for names: standard input holds [[name, plain, compact], …], standard
// output gets what differs, a line each. Both are parsed; the trees are walked side by side.
//
// A variable may have another name if it has that name everywhere in its function, no other variable of the function
// has it, and it is declared wherever the first one is: the variables that a script takes from outside stay the same.

import { readFileSync } from 'node:fs';
import { parse } from '../../../../.tools/portal-tools/node_modules/acorn/dist/acorn.mjs';

const PLACES = new Set(['type', 'start', 'end', 'raw', 'loc', 'range']);
const OPTIONS = /** @type {const} */ ({ ecmaVersion: 2024, sourceType: 'module' });

class Names {
  /** By plain name; `$…` are modules, which have one name in all files. @param {Map<string, string>} modules */
  constructor(modules) {
    this.modules = modules;
    this.of = new Map();
    this.plainOf = new Map();
  }

  /** Whether these may be the same, after all that were met before. */
  same(plain, other) {
    if (plain[0] === '$' && other[0] === '$') {
      if (!this.modules.has(plain)) this.modules.set(plain, other);
      return this.modules.get(plain) === other;
    }
    if (!this.of.has(plain) && !this.plainOf.has(other)) {
      this.of.set(plain, other);
      this.plainOf.set(other, plain);
    }
    return this.of.get(plain) === other && this.plainOf.get(other) === plain;
  }
}

/** Whether an identifier is a variable here, and no key. */
function isVariable(parent, key) {
  if (parent.type === 'MemberExpression') return key === 'object' || parent.computed;
  if (['Property', 'MethodDefinition', 'PropertyDefinition'].includes(parent.type)) return key !== 'key' || parent.computed;
  return !['ImportSpecifier', 'ExportSpecifier', 'LabeledStatement', 'BreakStatement', 'ContinueStatement', 'MetaProperty'].includes(parent.type);
}

class Difference extends Error {}

function compare(one, other, names, parent, key) {
  if (Array.isArray(one)) {
    if (!Array.isArray(other) || one.length !== other.length) throw new Difference(`${parent.type}.${key} has another length`);
    one.forEach((each, index) => compare(each, other[index], names, parent, key));
    return;
  }
  if (one === null || typeof one !== 'object' || one instanceof RegExp) {
    if (String(one) !== String(other)) throw new Difference(`${parent.type}.${key}: ${one} and ${other}`);
    return;
  }
  if (one.type === undefined) {
    // A regular expression's source, or the text of a template.
    for (const part of Object.keys(one)) {
      const [text, shorter] = [one, other].map((each) => String(each[part]).replace(/\n\s+/g, '\n'));
      if (text !== shorter) throw new Difference(`${parent.type}: ${text} and ${shorter}`);
    }
    return;
  }
  if (other?.type !== one.type) throw new Difference(`${one.type} and ${other?.type} in ${parent?.type}.${key}`);
  if (one.type === 'Identifier' || one.type === 'PrivateIdentifier') {
    const free = one.type === 'Identifier' && !isVariable(parent, key) && one.name[0] !== '$';
    const [plain, short] = one.type === 'Identifier' ? [one.name, other.name] : [`#${one.name}`, `#${other.name}`];
    if (free ? plain !== short : !names.same(plain, short)) throw new Difference(`${plain} and ${short}`);
    return;
  }
  // Each module is a function of its own, with names of its own.
  const inside = parent?.type === 'Program' ? new Names(names.modules) : names;
  for (const part of Object.keys(one)) if (!PLACES.has(part)) compare(one[part], other[part], inside, one, part);
}

// The names that a tree takes from outside of itself.
function freeNames(tree) {
  const free = new Set();
  const pattern = (node, found) => {
    if (node === null) return;
    if (node.type === 'Identifier') found.add(node.name);
    else if (node.type === 'ObjectPattern') node.properties.forEach((each) => pattern(each.value ?? each.argument, found));
    else if (node.type === 'ArrayPattern') node.elements.forEach((each) => pattern(each, found));
    else if (node.type === 'AssignmentPattern') pattern(node.left, found);
    else if (node.type === 'RestElement') pattern(node.argument, found);
  };
  // What is declared directly in a block, or by `var` anywhere: the sources have none.
  const declaredIn = (statements) => {
    const found = new Set();
    for (const outer of statements) {
      const each = outer?.declaration ?? outer;
      if (each?.type === 'VariableDeclaration') {
        if (each.kind === 'var') throw new Difference('var');
        each.declarations.forEach(({ id }) => pattern(id, found));
      } else if (each?.type === 'FunctionDeclaration' || each?.type === 'ClassDeclaration') found.add(each.id.name);
      else if (each?.type === 'ImportDeclaration') each.specifiers.forEach(({ local }) => found.add(local.name));
    }
    return found;
  };
  const walk = (node, scopes, parent, key) => {
    if (Array.isArray(node)) node.forEach((each) => walk(each, scopes, parent, key));
    if (typeof node?.type !== 'string') return;
    if (node.type === 'Identifier') {
      const used = parent.type === 'ExportSpecifier' ? key === 'local' : isVariable(parent, key);
      if (used && !scopes.some((scope) => scope.has(node.name))) free.add(node.name);
      return;
    }
    const own = [];
    if (/^(Program|BlockStatement|StaticBlock)$/.test(node.type)) own.push(declaredIn(node.body));
    else if (node.type === 'SwitchStatement') own.push(declaredIn(node.cases.flatMap(({ consequent }) => consequent)));
    else if (/^For/.test(node.type)) own.push(declaredIn([node.init ?? node.left]));
    else if (/Function/.test(node.type) || node.type === 'CatchClause') {
      const found = new Set(node.type === 'FunctionExpression' && node.id ? [node.id.name] : []);
      (node.params ?? [node.param ?? null]).forEach((each) => pattern(each, found));
      own.push(found);
    } else if (node.type === 'ClassExpression' && node.id) own.push(new Set([node.id.name]));
    for (const part of Object.keys(node)) if (!PLACES.has(part)) walk(node[part], [...own, ...scopes], node, part);
  };
  walk(tree, [], null, '');
  return [...free].sort().join(' ');
}

const modules = new Map();
for (const [name, plain, compact] of JSON.parse(readFileSync(0, 'utf8'))) {
  try {
    const [one, other] = [parse(plain, OPTIONS), parse(compact, OPTIONS)];
    compare(one, other, new Names(modules), null, '');
    const [before, after] = [freeNames(one), freeNames(other)];
    if (before !== after) throw new Difference(`takes ${before} from outside, and then ${after}`);
  } catch (error) {
    if (!(error instanceof Difference || error instanceof SyntaxError)) throw error;
    console.log(`${name}: ${error.message}`);
  }
}
if (new Set(modules.values()).size < modules.size) console.log('two modules have one name');
