/** Options of the `manifest` commands that say what an entry of a list is. */
import type { EntryChange } from '../../lib/index.js';
import { CoracleError } from '../../lib/index.js';
import type { OptionSpec, Values } from '../command.js';
import { readAssignments } from './texts.js';

export const entryOptions = [
  { name: 'annotation', kind: 'list', value: 'NAME=VALUE', summary: 'Annotation of the entry' },
  { name: 'arch', kind: 'string', value: 'ARCH', summary: 'Architecture it is for' },
  { name: 'os', kind: 'string', value: 'OS', summary: 'Operating system it is for' },
  { name: 'variant', kind: 'string', value: 'VARIANT', summary: 'Variant of the architecture' },
  { name: 'os-version', kind: 'string', value: 'VERSION', summary: 'Version of the operating system' },
  {
    name: 'os-features',
    kind: 'list',
    value: 'FEATURE',
    summary: 'Features of the operating system it needs',
  },
] as const satisfies readonly OptionSpec[];

/** Why these are refused. */
export const entryRefusals = { 'no registry or runtime reads it': 'features' } as const;

/** What the options say of an entry. @throws USAGE */
export function entryChange(values: Values<typeof entryOptions>): EntryChange {
  const { arch, os, variant } = values;
  const features = values['os-features'].flatMap((text) => text.split(',')).filter((text) => text !== '');
  return {
    annotations: annotationsOf('--annotation', values.annotation),
    platform: {
      ...(arch === undefined ? {} : { architecture: arch }),
      ...(os === undefined ? {} : { os }),
      ...(variant === undefined ? {} : { variant }),
      ...(values['os-version'] === undefined ? {} : { 'os.version': values['os-version'] }),
      ...(features.length === 0 ? {} : { 'os.features': features }),
    },
  };
}

/** `NAME=VALUE` texts; each has a value. @throws USAGE */
export function annotationsOf(flag: string, texts: readonly string[]): Readonly<Record<string, string>> {
  for (const text of texts) {
    if (!text.includes('=')) {
      throw new CoracleError('USAGE', `invalid argument "${text}" for ${flag}: expected NAME=VALUE`);
    }
  }
  return readAssignments(flag, texts, undefined);
}
