/** Attestations of a build: their layout, what they say, and what they never say. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import type { Cli } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { findProgram, missingProgram } from '../helpers/host.js';
import { missingRegistry, startRegistry } from '../helpers/registry.js';

const dockerfile = `FROM busybox AS tools
COPY npm /
RUN mkdir -p /srv
FROM busybox
ARG TOKEN
COPY root /
COPY --from=tools /srv /srv
RUN mkfifo /lib/apk/db/installed; rm -f /var/lib/dpkg/status.d/x; ln -s /etc/os-release /var/lib/dpkg/status.d/x
`;

const files: Readonly<Record<string, string>> = {
  Dockerfile: dockerfile,
  'root/etc/os-release': 'ID=debian\nVERSION_ID="12"\n',
  'root/lib/apk/db/.keep': '',
  'root/var/lib/dpkg/status':
    'Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.36\n',
  'root/var/lib/rpm/rpmdb.sqlite': 'SQLite format 3',
  'root/var/lib/dpkg/status.d/y': 'Package: tzdata\nVersion: 2024a\n',
  'npm/app/node_modules/left-pad/package.json': '{"name":"left-pad","version":"1.3.0"}',
};

function context(cli: Cli): string {
  const directory = mkdtempSync(join(cli.directory, 'context-'));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), text);
  }
  return directory;
}

function skopeo(...args: readonly string[]): string {
  const done = spawnSync(findProgram('skopeo') ?? 'skopeo', args, { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`skopeo ${args.join(' ')}: ${done.stderr}`);
  return done.stdout;
}

type Descriptor = {
  digest: string;
  mediaType: string;
  annotations?: Record<string, string>;
  platform?: Record<string, string>;
};
type Statement = {
  _type: string;
  predicateType: string;
  subject: { name: string; digest: { sha256: string } }[];
  predicate: {
    packages?: { name: string }[];
    creationInfo?: { comment?: string };
    buildDefinition?: unknown;
  };
};

function statementsOf(text: string): Statement {
  return JSON.parse(text) as Statement;
}

testWith(
  [...journeyNeeds, missingRegistry(), missingProgram('skopeo')],
  'attestations lie behind the images of an index as BuildKit has them, and are about what was pushed',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const { host } = await startRegistry(t);
    const name = `${host}/team/attested:1`;
    const built = await cli.run([
      ...['build', '-t', name, '--push', '--sbom', '--provenance=mode=max,builder-id=https://ci/1'],
      ...['--build-arg', 'BUILDKIT_SBOM_SCAN_STAGE=tools', context(cli)],
    ]);
    t.is(built.code, 0, built.stderr);
    const copied = join(cli.directory, 'copied');
    skopeo('copy', '-q', '--all', '--src-tls-verify=false', `docker://${name}`, `dir:${copied}`);
    const read = (file: string): string => readFileSync(join(copied, file), 'utf8');
    const { manifests } = JSON.parse(read('manifest.json')) as { manifests: Descriptor[] };
    const [image, attestation] = manifests;
    t.is(manifests.length, 2);
    t.deepEqual(attestation?.annotations, {
      'vnd.docker.reference.digest': image?.digest ?? '',
      'vnd.docker.reference.type': 'attestation-manifest',
    });
    t.deepEqual(attestation?.platform, { architecture: 'unknown', os: 'unknown' });
    const hex = (digest = ''): string => digest.replace('sha256:', '');
    const { layers } = JSON.parse(read(`${hex(attestation?.digest)}.manifest.json`)) as {
      layers: Descriptor[];
    };
    t.deepEqual(
      layers.map(({ mediaType, annotations }) => [mediaType, annotations?.['in-toto.io/predicate-type']]),
      [
        ['application/vnd.in-toto+json', 'https://spdx.dev/Document'],
        ['application/vnd.in-toto+json', 'https://spdx.dev/Document'],
        ['application/vnd.in-toto+json', 'https://slsa.dev/provenance/v1'],
      ],
    );
    const statements = layers.map(({ digest }) => statementsOf(read(hex(digest))));
    for (const { _type, subject } of statements) {
      t.is(_type, 'https://in-toto.io/Statement/v0.1');
      t.is(subject[0]?.digest.sha256, hex(image?.digest));
      t.regex(subject[0]?.name ?? '', /^pkg:docker\/127\.0\.0\.1:\d+\/team\/attested@1\?platform=linux%2F/);
    }
    const names = statements.map(({ predicate }) => predicate.packages?.map((one) => one.name));
    t.deepEqual(names, [['libc6', 'tzdata'], ['left-pad'], undefined]);
    t.regex(statements[0]?.predicate.creationInfo?.comment ?? '', /not read: \/var\/lib\/rpm\/rpmdb\.sqlite/);
  },
);

testWith(
  journeyNeeds,
  'S32: values of build arguments are attested in mode=max alone, and those of proxies never',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const directory = context(cli);
    const attest = async (mode: string): Promise<string> => {
      const out = join(cli.directory, mode);
      await cli.ok([
        ...['build', `--provenance=mode=${mode}`, '--sbom', '-o', out, '--build-arg', 'TOKEN=s3cret-value'],
        ...['--build-arg', 'HTTPS_PROXY=http://user:pr0xy-word@proxy', '--label', 'l=label-value', directory],
      ]);
      t.true(readdirSync(out).includes('sbom.spdx.json'));
      return readFileSync(join(out, 'provenance.json'), 'utf8');
    };
    const [least, most] = [await attest('min'), await attest('max')];
    t.false(/s3cret-value|label-value|pr0xy-word/.test(least));
    t.true(most.includes('s3cret-value') && most.includes('label-value'));
    t.false(most.includes('pr0xy-word'));
    // where the files lie is nobody's business either
    t.false(least.includes(cli.directory) || most.includes(cli.directory));
    t.regex(least, /"uri":"pkg:docker\/localhost\/busybox@latest\?platform=linux%2F/);
  },
);

testWith(
  journeyNeeds,
  'without provenance the same build has the same digest; with it the image still has',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const directory = context(cli);
    const build = async (...flags: readonly string[]): Promise<string> =>
      cli.ok(['build', '-q', ...flags, directory]);
    t.is(await build(), await build('--no-cache'));
    t.is(await build('--sbom'), await build('--sbom'));
    t.not(await build('--provenance'), await build('--provenance'));
  },
);
