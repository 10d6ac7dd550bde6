/** --output, --annotation, --attest and binfmt registrations as data. */
import test from 'ava';
import { type Annotation, annotationsAt, parseAnnotation } from '../../lib/build/annotation.js';
import { type AttestOptions, parseAttest } from '../../lib/build/attest-options.js';
import { type EmulationFacts, emulatorFor } from '../../lib/build/emulation.js';
import { type BuildOutput, parseOutput } from '../../lib/build/output.js';
import { plannedOutputs } from '../../lib/build/outputs.js';
import { CoracleError, type ErrorCode } from '../../lib/errors.js';
import { elfHeader, matchesEntry, parseBinfmtEntry, qemuProgram } from '../../lib/host/binfmt.js';
import { hostPlatform } from '../../lib/oci/platform.js';

const image = {
  kind: 'image',
  names: [],
  store: true,
  push: false,
  pushByDigest: false,
  nameCanonical: false,
  annotations: [],
} as const;
const archive = {
  kind: 'archive',
  format: 'oci',
  dest: '-',
  directory: false,
  names: [],
  annotations: [],
} as const;

const outputs: readonly (readonly [text: string, output: BuildOutput])[] = [
  ['-', { kind: 'tar', dest: '-' }],
  ['out', { kind: 'local', dest: 'out' }],
  ['type=local,dest=out', { kind: 'local', dest: 'out' }],
  ['"type=local","dest=a,b"', { kind: 'local', dest: 'a,b' }],
  ['type=tar', { kind: 'tar', dest: '-' }],
  ['type=tar,dest=f,platform-split=false', { kind: 'tar', dest: 'f', platformSplit: false }],
  ['type=oci', archive],
  ['type=oci,dest=d,tar=false,name=a', { ...archive, dest: 'd', directory: true, names: ['a'] }],
  [
    'type=oci,compression=zstd,compression-level=19,force-compression=true',
    { ...archive, layers: { kind: 'zstd', level: 19, force: true } },
  ],
  ['type=oci,compression=uncompressed', { ...archive, layers: { kind: 'none', force: false } }],
  ['type=docker', image],
  ['type=docker,dest=f', { ...archive, format: 'docker', dest: 'f' }],
  ['type=image,"name=a,b",oci-mediatypes=false', { ...image, names: ['a', 'b'], docker: true }],
  [
    'type=image,push=true,store=false,push-by-digest',
    { ...image, push: true, store: false, pushByDigest: true },
  ],
  [
    'type=registry,name-canonical=true,registry.insecure',
    { ...image, push: true, nameCanonical: true, insecure: true },
  ],
  [
    'type=image,annotation.a=1,annotation-index.b=2,annotation-manifest-descriptor[linux/arm64].org.c=3',
    {
      ...image,
      annotations: [
        { level: 'manifest', key: 'a', value: '1' },
        { level: 'index', key: 'b', value: '2' },
        {
          level: 'manifest-descriptor',
          platform: { os: 'linux', architecture: 'arm64' },
          key: 'org.c',
          value: '3',
        },
      ],
    },
  ],
];

for (const [text, output] of outputs) test(`output ${text}`, (t) => t.deepEqual(parseOutput(text), output));

const refused: readonly (readonly [text: string, code: ErrorCode, message: RegExp])[] = [
  ['', 'USAGE', /is empty/],
  ['type=cacheonly', 'USAGE', /unknown type "cacheonly"/],
  ['dest=x,name=y', 'USAGE', /type is missing/],
  ['type=local', 'USAGE', /a directory is needed/],
  ['type=local,dest=-', 'USAGE', /a directory is needed/],
  ['type=local,dst=x,dest=y', 'USAGE', /unknown attribute dst/],
  ['type=oci,tar=false', 'USAGE', /needs a directory/],
  ['type=oci,compression=estargz', 'UNSUPPORTED', /compression estargz/],
  ['type=oci,compression-level=10', 'USAGE', /compression-level must be 1 to 9/],
  ['type=oci,compression=zstd,compression-level=x', 'USAGE', /1 to 19/],
  ['type=docker,dest=x,compression=gzip', 'USAGE', /not compressed/],
  ['type=image,push=maybe', 'USAGE', /push must be true or false/],
  ['type=image,prefer-nondist-layers=true', 'USAGE', /unknown attribute prefer-nondist-layers/],
  ['type=image,annotation-nowhere.a=b', 'USAGE', /unknown level nowhere/],
  ['type=image,rewrite-timestamp=false', 'UNSUPPORTED', /rewritten/],
];

for (const [text, code, message] of refused) {
  test(`output ${JSON.stringify(text)} is refused`, (t) => {
    const error = t.throws(() => parseOutput(text), { instanceOf: CoracleError });
    t.is(error?.code, code);
    t.regex(error?.message ?? '', message);
  });
}

test('without outputs the image goes to the store, and with tags that nothing else takes', (t) => {
  const local: BuildOutput = { kind: 'local', dest: 'x' };
  const kinds = (options: Parameters<typeof plannedOutputs>[0]): readonly string[] =>
    plannedOutputs(options).map(({ kind }) => kind);
  t.deepEqual(kinds({}), ['image']);
  t.deepEqual(kinds({ outputs: [local] }), ['local']);
  t.deepEqual(kinds({ outputs: [local], tags: ['a'] }), ['image', 'local']);
  t.deepEqual(kinds({ outputs: [archive], tags: ['a'] }), ['archive']);
  t.deepEqual(kinds({ manifest: 'm' }), ['image']);
  t.deepEqual(kinds({ manifest: 'm', tags: ['a'] }), ['image', 'image']);
});

const arm64 = { os: 'linux', architecture: 'arm64' };
const annotations: readonly (readonly [text: string, annotations: readonly Annotation[]])[] = [
  ['a=b', [{ level: 'manifest', key: 'a', value: 'b' }]],
  ['org.x/y:z=b=c', [{ level: 'manifest', key: 'org.x/y:z', value: 'b=c' }]],
  ['index:a=', [{ level: 'index', key: 'a', value: '' }]],
  [
    'index,manifest[linux/arm64]:a=b',
    [
      { level: 'index', key: 'a', value: 'b' },
      { level: 'manifest', platform: arm64, key: 'a', value: 'b' },
    ],
  ],
];

for (const [text, expected] of annotations)
  test(`annotation ${text}`, (t) => t.deepEqual(parseAnnotation(text), expected));

for (const text of ['a', '=b', 'elsewhere:a=b', 'index[linux/arm64]:a=b']) {
  test(`annotation ${text} is refused`, (t) => {
    t.is(t.throws(() => parseAnnotation(text), { instanceOf: CoracleError })?.code, 'USAGE');
  });
}

test('an annotation for a platform reaches only its image', (t) => {
  const all = [...parseAnnotation('manifest[linux/arm64]:a=b'), ...parseAnnotation('c=d')];
  t.deepEqual(annotationsAt(all, 'manifest', arm64), { a: 'b', c: 'd' });
  t.deepEqual(annotationsAt(all, 'manifest', { os: 'linux', architecture: 'amd64' }), { c: 'd' });
  t.is(annotationsAt(all, 'index'), undefined);
});

const least = { mode: 'min', builderId: '', reproducible: false, version: 'v1' } as const;
const attestations: readonly (readonly [
  flags: Partial<Parameters<typeof parseAttest>[0]>,
  options: AttestOptions,
])[] = [
  [{}, {}],
  [{ provenance: 'true' }, { provenance: least }],
  [{ provenance: 'false' }, { provenance: undefined }],
  [
    { provenance: 'mode=max,builder-id=https://b,reproducible=true,version=v0.2' },
    { provenance: { mode: 'max', builderId: 'https://b', reproducible: true, version: 'v0.2' } },
  ],
  [{ sbom: 'true' }, { sbom: true }],
  [
    { attest: ['type=sbom', 'type=provenance,mode=max'] },
    { sbom: true, provenance: { ...least, mode: 'max' } },
  ],
  [{ attest: ['type=provenance,disabled=true'] }, { provenance: undefined }],
  [{ attest: ['type=provenance,mode=max'], provenance: 'false' }, { provenance: undefined }],
];

for (const [flags, options] of attestations) {
  test(`attestations of ${JSON.stringify(flags)}`, (t) =>
    t.deepEqual(parseAttest({ attest: [], ...flags }), options));
}

for (const [flags, code] of [
  [{ provenance: 'mode=most' }, 'USAGE'],
  [{ provenance: 'inline-only=true' }, 'USAGE'],
  [{ attest: ['mode=max'] }, 'USAGE'],
  [{ sbom: 'generator=docker/scout' }, 'UNSUPPORTED'],
] as const) {
  test(`attestations of ${JSON.stringify(flags)} are refused`, (t) => {
    t.is(t.throws(() => parseAttest({ attest: [], ...flags }), { instanceOf: CoracleError })?.code, code);
  });
}

const registration = (flags: string, state = 'enabled'): string =>
  `${state}\ninterpreter /usr/libexec/qemu-binfmt/s390x-binfmt-P\nflags: ${flags}\noffset 0\nmagic 7f454c4602020100000000000000000000020016\nmask ffffffffffffff00fffffffffffffffffffeffff\n`;

test('a registration by magic bytes is recognised for its architecture alone', (t) => {
  const entry = parseBinfmtEntry('qemu-s390x', registration('POCF'));
  const matches = (architecture: string): boolean =>
    entry !== undefined && matchesEntry(entry, elfHeader(architecture) ?? Buffer.alloc(0));
  t.true(matches('s390x'));
  t.false(matches('ppc64le'));
  t.is(parseBinfmtEntry('jar', 'enabled\ninterpreter /usr/bin/jexec\nflags: \nextension .jar\n'), undefined);
  t.is(qemuProgram('arm64'), 'qemu-aarch64-static');
});

const s390x = { os: 'linux', architecture: 's390x' };

function facts(text: string, more: Partial<EmulationFacts> = {}): EmulationFacts {
  const entry = parseBinfmtEntry('qemu-s390x', text);
  return { entries: entry === undefined ? [] : [entry], kernel: '6.18.1', find: () => undefined, ...more };
}

test('a foreign RUN uses what the kernel knows, else an emulator of the step alone', (t) => {
  t.is(emulatorFor(hostPlatform(), facts('')), undefined);
  t.is(emulatorFor(s390x, facts(registration('POCF'))), undefined);
  const find = (name: string): string => `/usr/bin/${name}`;
  const line = emulatorFor(s390x, facts('', { find })) ?? '';
  t.regex(line, /^:coracle-s390x:M:0:\\x7f\\x45\\x4c\\x46\\x02\\x02.*:\/usr\/bin\/qemu-s390x-static:F$/);
  t.true(line.includes('\\xff\\xfe\\xff\\xff:'));
});

test('a foreign RUN without an emulator names the package and the reason', (t) => {
  const refused = (
    text: string,
    more: Partial<EmulationFacts> = {},
    platform = s390x,
  ): CoracleError | undefined =>
    t.throws(() => emulatorFor(platform, facts(text, more)), { instanceOf: CoracleError });
  t.regex(refused(registration('OC'))?.message ?? '', /without the flag F/);
  for (const text of [registration('F', 'disabled'), 'enabled\n']) {
    t.is(refused(text)?.code, 'HOST');
    t.regex(refused(text)?.hint ?? '', /qemu-user-static \(qemu-s390x-static;/);
  }
  const find = (name: string): string => `/usr/bin/${name}`;
  t.regex(
    refused('', { find, kernel: '6.1.0-44-amd64' })?.message ?? '',
    /Linux 6\.1\.0-44-amd64 lets only root/,
  );
  t.regex(refused('', { find: () => '/a b/qemu' })?.message ?? '', /cannot be registered/);
  t.regex(refused('', {}, { os: 'freebsd', architecture: 'amd64' })?.message ?? '', /no emulator/);
});
