/** `coracle copy`. */
import { CoracleError } from '../lib/index.js';
import { defineCommand, type Values } from './command.js';
import { interruptible } from './interrupt.js';
import { copyOptions, copyRefusals, sideAccess } from './options/copy.js';
import { joinPlatform } from './options/platform-parts.js';
import { readSigning } from './options/sign.js';
import { oneOf, writeTextFile } from './options/texts.js';
import { transferProgress } from './progress/transfer-progress.js';
import { printLine, say } from './terminal/output.js';

export const command = defineCommand({
  name: 'copy',
  summary: 'Copy images between registries, archives and the store',
  operands: 'SOURCE DESTINATION',
  count: [2, 2],
  examples: [
    [
      'coracle copy --all docker://debian:13 docker://registry.example.com/debian:13',
      'All platforms, digests kept',
    ],
    ['coracle copy docker://debian:13 oci:images:debian-13', 'Into the OCI layout in the directory images'],
    ['coracle copy store:web docker-archive:web.tar:web:1', 'From this store to an archive for docker load'],
    [
      'coracle copy store:web docker-archive:-:web:1 | ssh host docker load',
      'To standard output; - is also standard input',
    ],
    [
      'coracle copy --dest-compress store:web store:web',
      'Its blobs into the store, where skopeo and umoci read',
    ],
    ['coracle copy dir:web store:web', 'Into this store; it is unpacked when it is first used'],
  ],
  options: copyOptions,
  refused: copyRefusals,
  async handler(values, [from = '', to = ''], context) {
    const progress = transferProgress(values.quiet);
    try {
      const { digest } = await interruptible((signal) =>
        context.open().copyImage(from, to, {
          sourceAccess: sideAccess(values, 'src'),
          targetAccess: sideAccess(values, 'dest'),
          multiArch: multiArch(values),
          platform: values.platform ?? overriddenPlatform(values),
          format: oneOf('--format', values.format, ['oci', 'v2s2']),
          preserveDigests: values['preserve-digests'],
          encoding: encodingOf(values),
          compress: values['dest-compress'],
          recompress: values['dest-force-compress-format'],
          decompress: values['dest-decompress'],
          sign: readSigning(values),
          removeSignatures: values['remove-signatures'],
          additionalTags: values['additional-tag'],
          signal,
          onEvent: progress.onEvent,
        }),
      );
      progress.close();
      if (values.digestfile !== undefined) writeTextFile('--digestfile', values.digestfile, digest);
      // Not among the bytes of an archive.
      if (/^(oci|docker)-archive:-(:|$)/.test(to)) say(digest);
      else printLine(digest);
      return 0;
    } finally {
      progress.close();
    }
  },
});

type Given = Values<typeof copyOptions>;

function multiArch(values: Given): 'system' | 'all' | 'index-only' | undefined {
  const chosen = oneOf('--multi-arch', values['multi-arch'], ['system', 'all', 'index-only']);
  if (values.all && chosen !== undefined && chosen !== 'all') {
    throw new CoracleError('USAGE', 'use --all and --multi-arch: only one of them at a time');
  }
  return values.all ? 'all' : chosen;
}

/** skopeo's three options as one platform. */
function overriddenPlatform(values: Given): string | undefined {
  const { 'override-os': os, 'override-arch': architecture, 'override-variant': variant } = values;
  const names = { architecture: '--override-arch', variant: '--override-variant' };
  return joinPlatform({ os, architecture, variant }, names);
}

function encodingOf(
  values: Given,
): { readonly kind: 'gzip' | 'zstd' | 'zstd:chunked'; readonly level: number | undefined } | undefined {
  const kind = oneOf('--dest-compress-format', values['dest-compress-format'], [
    'gzip',
    'zstd',
    'zstd:chunked',
  ]);
  const level = values['dest-compress-level'];
  if (values['dest-decompress'] && (kind !== undefined || level !== undefined || values['dest-compress'])) {
    throw new CoracleError('USAGE', 'use --dest-compress and --dest-decompress: only one of them at a time');
  }
  return kind === undefined && level === undefined ? undefined : { kind: kind ?? 'gzip', level };
}
