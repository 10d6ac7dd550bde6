/** JSON as somebody with bad intentions writes it: from a document that is right, by changes that keep most of its form. */
import { pick, type Random } from './seeded.js';

/** Text that stands in the document as it is. */
class Raw {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Json = null | boolean | number | string | Raw | Json[] | Members;
/** Pairs instead of an object: keys may come twice and may be `__proto__`. */
class Members {
  readonly pairs: [string, Json][];

  constructor(pairs: [string, Json][]) {
    this.pairs = pairs;
  }
}

const words = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'length', '', '..', '\0', 'a/../..'];
const hex = 'a'.repeat(64);
const texts = [
  ...words,
  'x'.repeat(100_000),
  '\ud800',
  '\u202e\u001b[2J\n',
  '../../../etc/passwd',
  '/',
  '-1',
  '9999999999999999',
  'NaN',
  'sha256:../../x',
  `sha256:${hex}`,
  `sha256:${hex.toUpperCase()}`,
  `sha256:${hex.slice(1)}`,
  `sha512:${hex}`,
  `sha512:${hex}${hex}`,
  'reg',
  'chunk',
  'symlink',
  '999999-01-01T00:00:00Z',
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
];
const numbers = [
  '-1',
  '0',
  '-0',
  '1.5',
  '1e400',
  '-1e400',
  '1e-400',
  '4294967296',
  '9007199254740993',
  '18446744073709551616',
  '1e15',
];
const deep = (open: string, close: string, depth: number): string => open.repeat(depth) + close.repeat(depth);
const structures = [
  'null',
  'true',
  '[]',
  '{}',
  '[[]]',
  '[null]',
  '{"__proto__":{"polluted":1}}',
  '{"constructor":{"prototype":{"polluted":1}}}',
  deep('[', ']', 400),
  deep('[', ']', 100_000),
  deep('{"a":', '1}', 600).replace('1}', '0}'),
  `${'['.repeat(50_000)}`,
];
const many = `[${'0,'.repeat(99_999)}0]`;

/** The document with one to four changes, at times damaged as a text. */
export function mutateJson(document: string, random: Random): string {
  let value = fromJson(JSON.parse(document));
  for (let count = random(4) + 1; count > 0; count--) value = mutate(value, random);
  const text = toText(value);
  return random(10) === 0 ? damage(text, random) : text;
}

/** Text with pieces taken out, doubled or put in. */
export function damage(text: string, random: Random): string {
  const at = random(text.length + 1);
  const end = Math.min(text.length, at + random(30));
  const piece = pick(random, [
    '"',
    '{',
    '[',
    ']',
    '}',
    ',',
    ':',
    '\\',
    '\0',
    '\\ud800',
    '\n',
    '=',
    '[[',
    '#',
    '-',
    "'",
    '"""',
    '\ufeff',
  ]);
  const changed = [
    text.slice(0, at) + text.slice(end),
    text.slice(0, end) + text.slice(at),
    text.slice(0, at),
    text.slice(0, at) + piece + text.slice(at),
  ];
  return pick(random, changed);
}

function fromJson(value: unknown): Json {
  if (Array.isArray(value)) return value.map(fromJson);
  if (typeof value === 'object' && value !== null) {
    return new Members(Object.entries(value).map(([key, item]) => [key, fromJson(item)]));
  }
  return value as null | boolean | number | string;
}

function toText(value: Json): string {
  if (value instanceof Raw) return value.text;
  if (Array.isArray(value)) return `[${value.map(toText).join(',')}]`;
  if (!(value instanceof Members)) return JSON.stringify(value);
  return `{${value.pairs.map(([key, item]) => `${JSON.stringify(key)}:${toText(item)}`).join(',')}}`;
}

/** Something that has no place there. */
function foreign(random: Random): Json {
  const kind = random(40);
  if (kind === 0) return new Raw(many);
  if (kind < 8) return new Raw(pick(random, structures));
  return kind < 18 ? new Raw(pick(random, numbers)) : pick(random, texts);
}

/** Goes down a random way and changes something at its end. */
function mutate(value: Json, random: Random): Json {
  const isInner = Array.isArray(value)
    ? value.length > 0
    : value instanceof Members && value.pairs.length > 0;
  if (!isInner || random(12) === 0) return changeLeaf(value, random);
  if (Array.isArray(value)) return mutateList(value, random);
  return value instanceof Members ? mutateMembers(value, random) : value;
}

function changeLeaf(value: Json, random: Random): Json {
  if (typeof value !== 'string' || random(2) === 0) return foreign(random);
  const at = random(value.length + 1);
  return (
    value.slice(0, at) +
    pick(random, ['\0', '/', '..', ':', '@', '\u0100', '\udfff', '%00', ' ', '-', '9', ',']) +
    value.slice(at + random(2))
  );
}

function mutateList(list: readonly Json[], random: Random): Json {
  const at = random(list.length);
  const item = list[at] ?? null;
  const kind = random(8);
  if (kind === 0) return list.filter((_, index) => index !== at);
  if (kind === 1) return [...list, item];
  if (kind === 2) return [...list].reverse();
  if (kind === 3 && random(8) === 0)
    return Array.from({ length: 100_000 / (toText(item).length + 1) + 2 }, () => item);
  return list.map((one, index) => (index === at ? mutate(one, random) : one));
}

function mutateMembers({ pairs }: Members, random: Random): Members {
  const at = random(pairs.length);
  const [key, item] = pairs[at] ?? ['', null];
  const kind = random(10);
  const others = pairs.filter((_, index) => index !== at);
  if (kind === 0) return new Members(others);
  if (kind === 1) return new Members([...others, [pick(random, words), item]]);
  if (kind === 2) return new Members([...pairs, [key, foreign(random)]]);
  if (kind === 3) return new Members([...pairs, [pick(random, words), foreign(random)]]);
  if (kind === 4) {
    const [, other] = pick(random, pairs);
    return new Members(pairs.map(([name, one], index) => [name, index === at ? other : one]));
  }
  return new Members(pairs.map(([name, one], index) => [name, index === at ? mutate(one, random) : one]));
}
