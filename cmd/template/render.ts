/** Evaluates a parsed template over plain data, with the functions docker and podman add to Go's. */
import { CoracleError } from '../../lib/index.js';
import { type Functions, functions, isTrue, show } from './functions.js';
import { type Node, type Operand, type Pipeline, parseTemplate } from './parse.js';

type Scope = { readonly dot: unknown; readonly variables: Map<string, unknown> };

/** Compiles `source` once; the result renders one value. A field that the value lacks is an error that names it. */
export function compileTemplate(source: string, extra: Functions = {}): (value: unknown) => string {
  const nodes = parseTemplate(source);
  const known = { ...functions, ...extra };
  return (value) => renderNodes(nodes, { dot: value, variables: new Map([['', value]]) }, known);
}

function renderNodes(nodes: readonly Node[], scope: Scope, known: Functions): string {
  return nodes.map((node) => renderNode(node, scope, known)).join('');
}

function renderNode(node: Node, scope: Scope, known: Functions): string {
  if (node.kind === 'text') return node.text;
  const value = evaluate(node.pipeline, scope, known);
  if (node.kind === 'print') {
    if (node.pipeline.declares.length === 0) return show(value);
    for (const name of node.pipeline.declares) scope.variables.set(name, value);
    return '';
  }
  if (node.kind === 'range') return renderRange(node, value, scope, known);
  const inner = { dot: node.kind === 'with' ? value : scope.dot, variables: new Map(scope.variables) };
  for (const name of node.pipeline.declares) inner.variables.set(name, value);
  return isTrue(value) ? renderNodes(node.body, inner, known) : renderNodes(node.otherwise, scope, known);
}

function renderRange(
  node: Exclude<Node, { kind: 'text' | 'print' }>,
  value: unknown,
  scope: Scope,
  known: Functions,
): string {
  const pairs = entriesOf(value);
  if (pairs.length === 0) return renderNodes(node.otherwise, scope, known);
  const [first, second] = node.pipeline.declares;
  return pairs
    .map(([key, item]) => {
      const variables = new Map(scope.variables);
      if (second !== undefined) {
        variables.set(first ?? '', key);
        variables.set(second, item);
      } else if (first !== undefined) variables.set(first, item);
      return renderNodes(node.body, { dot: item, variables }, known);
    })
    .join('');
}

/** Items in order; the keys of a map are sorted, as Go does. */
function entriesOf(value: unknown): readonly (readonly [unknown, unknown])[] {
  if (Array.isArray(value)) return value.map((item, index) => [index, item] as const);
  if (value !== null && typeof value === 'object') {
    return Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1));
  }
  return [];
}

function evaluate(pipeline: Pipeline, scope: Scope, known: Functions): unknown {
  let piped: readonly unknown[] = [];
  for (const [head, ...rest] of pipeline.commands) {
    const given = rest.map((operand) => operandValue(operand, scope, known));
    const value =
      head.kind === 'function'
        ? call(head.name, [...given, ...piped], known)
        : operandValue(head, scope, known);
    // A field that takes arguments, as docker's {{.Label "name"}}.
    piped = [typeof value === 'function' ? Reflect.apply(value, undefined, [...given, ...piped]) : value];
  }
  return piped[0];
}

function call(name: string, given: readonly unknown[], known: Functions): unknown {
  const body = known[name];
  if (body === undefined) throw new CoracleError('USAGE', `use function "${name}" in --format: not defined`);
  return body(...given);
}

function operandValue(operand: Operand, scope: Scope, known: Functions): unknown {
  switch (operand.kind) {
    case 'dot':
      return scope.dot;
    case 'literal':
      return operand.value;
    case 'variable':
      return scope.variables.get(operand.name);
    case 'group':
      return evaluate(operand.pipeline, scope, known);
    case 'function':
      return call(operand.name, [], known);
    case 'field': {
      let value = operand.base === undefined ? scope.dot : operandValue(operand.base, scope, known);
      for (const name of operand.names) value = fieldOf(value, name);
      return value;
    }
  }
}

/** Documents whose fields are written as podman's JSON has them are asked for by the names of its Go fields too: `.Host.CgroupsVersion`. */
function keyOfGoName(value: object, name: string): string {
  const plain = (text: string): string => text.replaceAll('_', '').toLowerCase().replace('cgroups', 'cgroup');
  const wanted = plain(name);
  const known = /^[A-Z]/.test(name) ? Object.keys(value).find((key) => plain(key) === wanted) : undefined;
  return known ?? name;
}

function fieldOf(value: unknown, name: string): unknown {
  if (value === null || value === undefined) return undefined;
  if (typeof value === 'object' && Object.hasOwn(value, name)) return Reflect.get(value, name);
  if (
    typeof value === 'object' &&
    !Array.isArray(value) &&
    Object.keys(value).some((key) => !/^[A-Z]/.test(key))
  )
    return Reflect.get(value, keyOfGoName(value, name));
  throw new CoracleError('USAGE', `use field .${name} in --format: there is no such field`, {
    hint: `fields here: ${typeof value === 'object' ? Object.keys(value).join(', ') : typeof value}`,
  });
}
