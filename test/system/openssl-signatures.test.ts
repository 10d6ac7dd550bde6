/** Signatures that openssl made and that were put at a registry by hand, as cosign's specification lays them out. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import { testWith } from '../helpers/declare.js';
import { missingProgram } from '../helpers/host.js';
import { missingRegistry, startRegistry } from '../helpers/registry.js';

const manifestType = 'application/vnd.oci.image.manifest.v1+json';
const payloadType = 'application/vnd.dev.cosign.simplesigning.v1+json';

/** What keys are made with. */
const kinds = {
  'p-256': ['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  'p-384': ['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384'],
  rsa: ['genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'],
};

function openssl(args: readonly string[], input?: Buffer): Buffer {
  const { status, stdout, stderr } = spawnSync('openssl', args, input === undefined ? {} : { input });
  if (status !== 0) throw new Error(`openssl ${args.join(' ')}: ${stderr}`);
  return stdout;
}

const digestOf = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** Puts a blob by a POST and a PUT. */
async function putBlob(base: string, bytes: Buffer, mediaType: string) {
  const opened = await fetch(`${base}/blobs/uploads/`, { method: 'POST' });
  const place = `${opened.headers.get('location')}&digest=${digestOf(bytes)}`;
  const headers = { 'content-type': 'application/octet-stream' };
  await fetch(place, { method: 'PUT', body: bytes, headers });
  return { mediaType, digest: digestOf(bytes), size: bytes.length };
}

testWith(
  [...journeyNeeds, missingRegistry(), missingProgram('openssl')],
  'a signature of openssl counts for its image and name, with each kind of key, and for nothing else',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const { host } = await startRegistry(t);
    for (const [name, args] of Object.entries(kinds)) {
      const key = join(cli.directory, `${name}.pem`);
      openssl([...args, '-out', key]);
      openssl(['pkey', '-in', key, '-pubout', '-out', `${key}.pub`]);
      await cli.ok(['push', '-q', 'busybox', `${host}/${name}:1`]);
      const base = `http://${host}/v2/${name}`;
      const answer = await fetch(`${base}/manifests/1`, { headers: { accept: manifestType } });
      const digest = answer.headers.get('docker-content-digest') ?? '';
      // written as cosign writes it: other spacing is other bytes
      const payload = Buffer.from(
        `{"critical":{"identity":{"docker-reference":"${host}/${name}:1"},"image":{"docker-manifest-digest":"${digest}"},"type":"cosign container image signature"},"optional":null}`,
      );
      const signature = openssl(['dgst', '-sha256', '-sign', key], payload).toString('base64');
      const layer = {
        ...(await putBlob(base, payload, payloadType)),
        annotations: { 'dev.cosignproject.cosign/signature': signature },
      };
      const config = Buffer.from(
        JSON.stringify({
          architecture: '',
          created: '0001-01-01T00:00:00Z',
          history: [{}],
          os: '',
          rootfs: { type: 'layers', diff_ids: [layer.digest] },
          config: {},
        }),
      );
      const manifest = {
        schemaVersion: 2,
        mediaType: manifestType,
        config: await putBlob(base, config, 'application/vnd.oci.image.config.v1+json'),
        layers: [layer],
      };
      const put = await fetch(`${base}/manifests/${digest.replace(':', '-')}.sig`, {
        method: 'PUT',
        headers: { 'content-type': manifestType },
        body: JSON.stringify(manifest),
      });
      t.is(put.status, 201);
      const policy = join(cli.directory, `${name}.json`);
      const demand = (pub: string): void =>
        writeFileSync(
          policy,
          JSON.stringify({
            default: [{ type: 'sigstoreSigned', keyData: readFileSync(pub).toString('base64') }],
          }),
        );
      const pull = (tag: string) =>
        cli.run(['pull', '-q', '--signature-policy', policy, `${host}/${name}:${tag}`]);
      demand(`${key}.pub`);
      t.is((await pull('1')).code, 0, name);
      await cli.ok([
        'copy',
        '-q',
        '--remove-signatures',
        `docker://${host}/${name}:1`,
        `docker://${host}/${name}:2`,
      ]);
      t.regex((await pull('2')).stderr, /it is signed as/, 'another tag');
      const other = join(cli.directory, 'other.pem');
      openssl([...kinds['p-256'], '-out', other]);
      openssl(['pkey', '-in', other, '-pubout', '-out', `${other}.pub`]);
      demand(`${other}.pub`);
      t.regex((await pull('1')).stderr, /not with a key of the policy/);
    }
  },
);
