/** The options of all commands that may sign what they put at a registry, which are podman's and skopeo's. */
import { isatty } from 'node:tty';
import { CoracleError, type SignRequest } from '../../lib/index.js';
import type { OptionSpec, Values } from '../command.js';
import { askSecret } from '../terminal/prompt.js';
import { readTextFile } from './texts.js';

export const signOptions = [
  {
    name: 'sign-by-sigstore-private-key',
    kind: 'string',
    value: 'FILE',
    summary: 'Sign with a private key of cosign or generate-sigstore-key',
    completes: 'files',
  },
  {
    name: 'sign-passphrase-file',
    kind: 'string',
    value: 'FILE',
    summary: 'File with the passphrase of that key (default: asked)',
    completes: 'files',
  },
  {
    name: 'sign-identity',
    kind: 'string',
    value: 'REFERENCE',
    summary: 'What the signature calls the image (default: the destination)',
  },
] as const satisfies readonly OptionSpec[];

/** Other ways to sign. */
export const signRefusals = {
  'images are signed by sigstore keys: use --sign-by-sigstore-private-key':
    'sign-by sign-by-sigstore sign-by-sq-fingerprint',
} as const;

/** Undefined where nothing is to be signed. @throws USAGE */
export function readSigning(values: Values<typeof signOptions>): SignRequest | undefined {
  const keyFile = values['sign-by-sigstore-private-key'];
  if (keyFile !== undefined) {
    return {
      keyFile,
      identity: values['sign-identity'],
      passphrase: () => readPassphrase(values['sign-passphrase-file'], `Passphrase of ${keyFile}: `),
    };
  }
  for (const name of ['sign-passphrase-file', 'sign-identity'] as const) {
    if (values[name] === undefined) continue;
    throw new CoracleError('USAGE', `use --${name}: it needs --sign-by-sigstore-private-key`);
  }
  return undefined;
}

/** From a file without its last line break, or from the terminal; undefined where there is neither. */
export function readPassphrase(file: string | undefined, question: string): string | undefined {
  if (file !== undefined) return readTextFile('--sign-passphrase-file', file).replace(/\n$/, '');
  return isatty(0) ? askSecret(question) : undefined;
}
