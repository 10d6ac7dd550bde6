/** The options of `copy`, which are skopeo's: those of registries come twice, for the source and the destination. */
import { CoracleError, type RegistryAccess } from '../../lib/index.js';
import type { OptionSpec, Refusals, Values } from '../command.js';
import { retryAccess, retryDelayOption } from './registry.js';
import { signOptions, signRefusals } from './sign.js';
import { typesOption } from './types.js';

export const copyOptions = [
  {
    name: 'all',
    short: 'a',
    kind: 'switch',
    summary: 'Of an index all images, not only that of this machine',
  },
  {
    name: 'multi-arch',
    kind: 'string',
    value: 'WHAT',
    choices: ['system', 'all', 'index-only'],
    summary: 'Of an index one image, everything, or the index alone (default: system)',
  },
  {
    name: 'platform',
    kind: 'string',
    value: 'OS/ARCH',
    summary: 'Choose from an index (default: this machine)',
  },
  { name: 'override-os', kind: 'string', value: 'OS', summary: 'The same, in parts' },
  { name: 'override-arch', kind: 'string', value: 'ARCH', summary: 'The same, in parts' },
  { name: 'override-variant', kind: 'string', value: 'VARIANT', summary: 'The same, in parts' },
  typesOption,
  { name: 'preserve-digests', kind: 'switch', summary: 'Fail rather than change a digest' },
  {
    name: 'additional-tag',
    kind: 'list',
    value: 'NAME',
    summary: 'Further names in a docker-archive',
  },
  { name: 'digestfile', kind: 'string', value: 'FILE', summary: 'Write the digest of the copy to a file' },
  { name: 'quiet', short: 'q', kind: 'switch', summary: 'No progress' },
  { name: 'dest-compress', kind: 'switch', summary: 'Compress layers that the source has uncompressed' },
  { name: 'dest-decompress', kind: 'switch', summary: 'Uncompress all layers' },
  {
    name: 'dest-compress-format',
    kind: 'string',
    value: 'KIND',
    choices: ['gzip', 'zstd', 'zstd:chunked'],
    summary: 'How layers are compressed that are (default: gzip)',
  },
  { name: 'dest-compress-level', kind: 'number', value: 'N', summary: '1 to 9 for gzip, 1 to 19 for zstd' },
  {
    name: 'dest-force-compress-format',
    kind: 'switch',
    summary: 'Also layers that are compressed another way',
  },
  {
    name: 'retry-times',
    kind: 'number',
    value: 'N',
    summary: 'Attempts after the first',
    aliases: ['retry'],
  },
  retryDelayOption,
  { name: 'authfile', kind: 'string', value: 'FILE', summary: 'File with credentials for both sides' },
  { name: 'src-authfile', kind: 'string', value: 'FILE', summary: 'File with credentials for the source' },
  {
    name: 'dest-authfile',
    kind: 'string',
    value: 'FILE',
    summary: 'File with credentials for the destination',
  },
  { name: 'src-creds', kind: 'string', value: 'USER[:PASSWORD]', summary: 'Credentials for the source' },
  {
    name: 'dest-creds',
    kind: 'string',
    value: 'USER[:PASSWORD]',
    summary: 'Credentials for the destination',
  },
  { name: 'src-username', kind: 'string', value: 'USER', summary: 'The same, in parts' },
  { name: 'src-password', kind: 'string', value: 'PASSWORD', summary: 'The same, in parts' },
  { name: 'dest-username', kind: 'string', value: 'USER', summary: 'The same, in parts' },
  { name: 'dest-password', kind: 'string', value: 'PASSWORD', summary: 'The same, in parts' },
  { name: 'src-cert-dir', kind: 'string', value: 'DIR', summary: 'Certificates for the source' },
  { name: 'dest-cert-dir', kind: 'string', value: 'DIR', summary: 'Certificates for the destination' },
  { name: 'src-tls-verify', kind: 'toggle', summary: 'Demand https of the source' },
  { name: 'dest-tls-verify', kind: 'toggle', summary: 'Demand https of the destination' },
  { name: 'remove-signatures', kind: 'switch', summary: 'Signatures of the source stay behind' },
  {
    name: 'signature-policy',
    kind: 'string',
    value: 'FILE',
    summary: "A policy.json for the source, instead of the user's or the host's",
    aliases: ['policy'],
    completes: 'files',
  },
  ...signOptions,
] as const satisfies readonly OptionSpec[];

export const copyRefusals: Refusals = {
  ...signRefusals,
  'this version does not encrypt': 'encryption-key encrypt-layer decryption-key',
  'there is no daemon to copy from': 'src-daemon-host dest-daemon-host',
  'credentials are given by name and password': 'src-registry-token dest-registry-token',
  'leave the credentials out': 'src-no-creds dest-no-creds',
  'blobs are always looked for by their digests': 'src-shared-blob-dir dest-shared-blob-dir',
  'what a layer is when it is compressed is known where it was compressed before': 'dest-precompute-digests',
  'layers that the source has uncompressed stay so': 'dest-oci-accept-uncompressed-layers',
};

/** What one side's registry is told. @throws USAGE */
export function sideAccess(values: Values<typeof copyOptions>, side: 'src' | 'dest'): RegistryAccess {
  const tlsVerify = values[`${side}-tls-verify`];
  const creds = credentials(values, side);
  const authfile = values[`${side}-authfile`] ?? values.authfile;
  const certDir = values[`${side}-cert-dir`];
  const policy = side === 'src' ? values['signature-policy'] : undefined;
  return {
    ...(policy === undefined ? {} : { signaturePolicy: policy }),
    ...(tlsVerify === undefined ? {} : { tlsVerify }),
    ...(creds === undefined ? {} : { creds }),
    ...(authfile === undefined ? {} : { authfile }),
    ...(certDir === undefined ? {} : { certDir }),
    ...retryAccess(values['retry-times'], values['retry-delay']),
  };
}

function credentials(values: Values<typeof copyOptions>, side: 'src' | 'dest'): string | undefined {
  const [creds, user, password] = [
    values[`${side}-creds`],
    values[`${side}-username`],
    values[`${side}-password`],
  ];
  if (creds !== undefined && (user ?? password) !== undefined) {
    throw new CoracleError('USAGE', `use --${side}-creds and --${side}-username: only one of them at a time`);
  }
  if (password !== undefined && user === undefined) {
    throw new CoracleError('USAGE', `use --${side}-password: it needs --${side}-username`);
  }
  return user === undefined ? creds : password === undefined ? user : `${user}:${password}`;
}
