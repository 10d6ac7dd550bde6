/** Why a step is not in the cache: what differs from the nearest step that is. Pure. */
import type { CacheRecord } from './cache.js';
import type { NamedInputs } from './cache-key.js';

export type AskedStep = Pick<CacheRecord, 'parent' | 'instruction' | 'inputs'>;

const valueLimit = 60;

/**
 * One line per difference. `changesBelow` tells which files of the context changed below a path, where the record only knows
 * that some did.
 */
export function explainMiss(
  asked: AskedStep,
  records: readonly CacheRecord[],
  changesBelow: (path: string) => readonly string[],
): readonly string[] {
  const nearest = findNearest(asked, records);
  if (nearest === undefined) return ['no step like it is in the cache'];
  const lines = differences(nearest.inputs, asked.inputs, changesBelow);
  if (nearest.instruction !== asked.instruction && lines.length === 0)
    lines.push(`the instruction was: ${shorten(nearest.instruction)}`);
  if (nearest.parent !== asked.parent)
    lines.push('the files below it differ: a step before it, or the base image');
  return lines.length === 0 ? ['its result was pruned, or is too old'] : lines;
}

/** The record with the same files below and the same instruction, else the one with the most equal inputs; the newest of equals. */
function findNearest(asked: AskedStep, records: readonly CacheRecord[]): CacheRecord | undefined {
  const score = (record: CacheRecord): number => {
    if (!sameNames(record.inputs, asked.inputs)) return 0;
    const names = Object.keys(asked.inputs);
    const equal = names.filter((name) => record.inputs[name] === asked.inputs[name]).length;
    const same = Number(record.parent === asked.parent) + Number(record.instruction === asked.instruction);
    return same + equal / (names.length + 1);
  };
  const scored = records.map((record) => ({ record, score: score(record) })).filter((one) => one.score >= 1);
  scored.sort(
    (one, other) => other.score - one.score || (one.record.created < other.record.created ? 1 : -1),
  );
  return scored[0]?.record;
}

/** Steps of one kind share the names of their settings; sources may come and go. */
function sameNames(one: NamedInputs, other: NamedInputs): boolean {
  const settings = (inputs: NamedInputs): string =>
    Object.keys(inputs)
      .filter((name) => !name.startsWith('source:'))
      .sort()
      .join(' ');
  return settings(one) === settings(other);
}

function differences(
  before: NamedInputs,
  now: NamedInputs,
  changesBelow: (path: string) => readonly string[],
): string[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(now)])].sort();
  return names
    .filter((name) => before[name] !== now[name])
    .flatMap((name) => {
      if (name.startsWith('source:')) return sourceLines(name, before[name], now[name], changesBelow);
      if (name === 'environment') return listLines(name, before[name], now[name]);
      return [`${name} was ${shown(before[name])}, is ${shown(now[name])}`];
    });
}

function sourceLines(
  name: string,
  before: string | undefined,
  now: string | undefined,
  changesBelow: (path: string) => readonly string[],
): readonly string[] {
  const path = name.slice(name.lastIndexOf(':') + 1);
  if (before === undefined) return [`${path} is new`];
  if (now === undefined) return [`${path} is gone`];
  const changed = changesBelow(path);
  return changed.length === 0 ? [`${path} has other content or modes`] : changed;
}

/** What came and went in a list that is kept as JSON. */
function listLines(name: string, before: string | undefined, now: string | undefined): readonly string[] {
  const [old, fresh] = [readList(before), readList(now)];
  const gone = old.filter((entry) => !fresh.includes(entry)).map((entry) => `${name} had ${shown(entry)}`);
  return [
    ...gone,
    ...fresh.filter((entry) => !old.includes(entry)).map((entry) => `${name} has ${shown(entry)}`),
  ];
}

function readList(text: string | undefined): readonly string[] {
  const value: unknown = text === undefined ? [] : JSON.parse(text);
  return Array.isArray(value) ? value.map(String) : [];
}

function shown(value: string | undefined): string {
  return value === undefined ? 'not there' : value === '' ? 'empty' : shorten(value);
}

function shorten(text: string): string {
  const line = text.replace(/\s+/g, ' ');
  return line.length > valueLimit ? `${line.slice(0, valueLimit - 3)}...` : line;
}
