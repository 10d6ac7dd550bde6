/** The option for the family of media types, of all commands that write manifests elsewhere. */
import type { OptionSpec } from '../command.js';

export const typesOption = {
  name: 'format',
  short: 'f',
  kind: 'string',
  value: 'TYPE',
  choices: ['oci', 'v2s2'],
  summary: 'Media types of manifests (default: as they are)',
} as const satisfies OptionSpec;
