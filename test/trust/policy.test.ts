import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { makeDigest } from '../../lib/oci/digest.js';
import { parseReference } from '../../lib/oci/reference.js';
import { usesAttachments } from '../../lib/trust/attachments.js';
import { requireAllowed } from '../../lib/trust/check.js';
import { identityFits, parseIdentity } from '../../lib/trust/identity.js';
import { makeKeyPair, openPrivateKey, readPublicKey } from '../../lib/trust/keys.js';
import { parsePolicy } from '../../lib/trust/policy.js';
import { readPolicy } from '../../lib/trust/policy-file.js';
import { requirementsFor, scopesOf, type TrustPlace } from '../../lib/trust/scope.js';
import { type AttachedSignature, makeSignature } from '../../lib/trust/signature.js';
import { temporaryDirectory } from '../helpers/host.js';

const accept = [{ type: 'insecureAcceptAnything' }];
const reject = [{ type: 'reject' }];
const docker = (text: string): TrustPlace => ({ transport: 'docker', reference: parseReference(text) });
const digest = makeDigest('sha256', 'a'.repeat(64));
const other = makeDigest('sha256', 'b'.repeat(64));

test('the most specific scope holds, then that of the transport, then the default', (t) => {
  const policy = parsePolicy(
    {
      default: reject,
      transports: {
        docker: { 'a.io': accept, 'a.io/team': reject, 'a.io/team/app:1': accept, '*.b.io': accept },
        oci: { '': accept, '/var/images': reject },
        dir: { '/ok': accept },
      },
    },
    'p',
  );
  const kind = (place: TrustPlace) => requirementsFor(policy, place).map((one) => one.kind);
  t.deepEqual(kind(docker('a.io/x')), ['accept']);
  t.deepEqual(kind(docker('a.io/team/app:2')), ['reject']);
  t.deepEqual(kind(docker('a.io/team/app:1')), ['accept']);
  t.deepEqual(kind(docker('a.io/teams/app:1')), ['accept']);
  t.deepEqual(kind(docker('x.y.b.io/app')), ['accept']);
  t.deepEqual(kind(docker('b.io/app')), ['reject']);
  t.deepEqual(kind(docker('debian')), ['reject']);
  t.deepEqual(kind({ transport: 'oci', path: '/var/images/x' }), ['reject']);
  t.deepEqual(kind({ transport: 'oci', path: '/var/imagesx' }), ['accept']);
  t.deepEqual(kind({ transport: 'dir', path: '/okay' }), ['reject']);
  t.deepEqual(kind({ transport: 'tarball' }), ['reject']);
  t.deepEqual(scopesOf(docker('c.a.io:5000/x:1')), [
    'c.a.io:5000/x:1',
    'c.a.io:5000/x',
    'c.a.io:5000',
    '*.a.io:5000',
    '*.io:5000',
  ]);
});

const refuses = test.macro((t: ExecutionContext, document: unknown, message: RegExp) => {
  t.regex(t.throws(() => parsePolicy(document, 'policy.json'), { code: 'INVALID' })?.message ?? '', message);
});
const keyed = (more: object) => ({ default: [{ type: 'sigstoreSigned', ...more }] });

test('no default', refuses, {}, /default/);
test('an empty list', refuses, { default: [] }, /empty/);
test('an unknown field', refuses, { default: accept, extra: 1 }, /"extra"/);
test(
  'a field that belongs elsewhere',
  refuses,
  { default: [{ type: 'reject', keyPath: '/k' }] },
  /"keyPath"/,
);
test('no key', refuses, keyed({}), /exactly one/);
test('two kinds of key', refuses, keyed({ keyPath: '/k', keyData: 'x' }), /exactly one/);
test('no keys in a list', refuses, keyed({ keyPaths: [] }), /no key/);
test('an unknown identity', refuses, keyed({ keyPath: '/k', signedIdentity: { type: 'any' } }), /"any"/);
test(
  'an identity with a field of another',
  refuses,
  keyed({ keyPath: '/k', signedIdentity: { type: 'matchExact', prefix: 'x' } }),
  /"prefix"/,
);

test('demands that cannot be checked are kept as such and fulfilled by nothing', async (t) => {
  for (const requirement of [
    { type: 'signedBy', keyType: 'GPGKeys', keyPath: '/k' },
    { type: 'somethingNew' },
    { type: 'sigstoreSigned', fulcio: {}, rekorPublicKeyData: 'x' },
    { type: 'sigstoreSigned', keyPath: '/k', rekorPublicKeyPath: '/r' },
  ]) {
    const policy = parsePolicy({ default: [requirement] }, 'p');
    const subject = { name: 'x', place: docker('a.io/x'), digests: [digest], signatures: async () => [] };
    await t.throwsAsync(requireAllowed(policy, subject), { code: 'FORBIDDEN', message: /cannot check/ });
  }
});

test('identities compare names as containers-policy.json(5) says', (t) => {
  const fits = (identity: object | undefined, image: string, signed: string) =>
    identityFits(parseIdentity(identity, 'i'), parseReference(image), signed);
  const at = `@${digest}`;
  t.true(fits(undefined, 'a.io/x:1', 'a.io/x:1'));
  t.false(fits(undefined, 'a.io/x:1', 'a.io/x:2'));
  t.false(fits(undefined, 'a.io/x:1', 'a.io/x'));
  t.true(fits(undefined, `a.io/x${at}`, 'a.io/x:2'));
  t.true(fits(undefined, `a.io/x${at}`, 'a.io/x'));
  t.false(fits(undefined, `a.io/x${at}`, 'a.io/y:2'));
  t.false(fits({ type: 'matchExact' }, `a.io/x${at}`, 'a.io/x:2'));
  t.true(fits({ type: 'matchExact' }, 'x', 'docker.io/library/x:latest'));
  t.true(fits({ type: 'matchRepository' }, 'a.io/x:1', 'a.io/x'));
  t.false(fits({ type: 'matchRepository' }, 'a.io/x:1', 'a.io/x/y:1'));
  t.true(fits({ type: 'exactReference', dockerReference: 'b.io/z:1' }, 'a.io/x:1', 'b.io/z:1'));
  t.false(fits({ type: 'exactReference', dockerReference: 'b.io/z:1' }, 'a.io/x:1', 'b.io/z:2'));
  t.true(fits({ type: 'exactRepository', dockerRepository: 'b.io/z' }, 'a.io/x:1', 'b.io/z:2'));
  const remapped = { type: 'remapIdentity', prefix: 'mirror.io/a', signedPrefix: 'a.io' };
  t.true(fits(remapped, 'mirror.io/a/x:1', 'a.io/x:1'));
  t.false(fits(remapped, 'mirror.io/ab/x:1', 'a.io/x:1'));
  t.true(fits(remapped, 'else.io/x:1', 'else.io/x:1'));
  t.false(fits(undefined, 'a.io/x:1', 'no reference at all'));
  t.false(identityFits(parseIdentity(undefined, 'i'), undefined, 'a.io/x:1'));
});

test('a signature counts with the right key, digest and name, and in no other case', async (t) => {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pem = String(pair.publicKey.export({ format: 'pem', type: 'spki' }));
  const policy = parsePolicy(keyed({ keyDatas: [Buffer.from(pem).toString('base64')] }), 'p');
  const signed = (claim: { digest: typeof digest; reference: string }, key = pair.privateKey) =>
    makeSignature(claim, key, 'test', 1);
  const check = (...signatures: readonly AttachedSignature[]) =>
    requireAllowed(policy, {
      name: 'a.io/x:1',
      place: docker('a.io/x:1'),
      digests: [digest],
      signatures: async () => signatures,
    });
  const good = signed({ digest, reference: 'a.io/x:1' });
  const bad = signed({ digest, reference: 'a.io/x:1' }, stranger.privateKey);
  await t.notThrowsAsync(check(good));
  await t.notThrowsAsync(check(bad, good));
  await t.throwsAsync(check(), { message: /it has none/ });
  await t.throwsAsync(check(bad), { message: /not with a key/ });
  await t.throwsAsync(check({ ...good, signature: 'AAAA' }), { message: /not with a key/ });
  await t.throwsAsync(check({ ...good, payload: Buffer.concat([good.payload, Buffer.from(' ')]) }), {
    message: /not with a key/,
  });
  await t.throwsAsync(check(signed({ digest: other, reference: 'a.io/x:1' })), {
    message: /another manifest/,
  });
  await t.throwsAsync(check(signed({ digest, reference: 'evil.io/x:1' })), { message: /evil\.io/ });
});

test('private keys open with their passphrase alone, and cannot ask for the world', async (t) => {
  const { privateKey, publicKey } = await makeKeyPair('secret');
  const key = await openPrivateKey(privateKey, 'secret', 'k');
  t.is(String(createPublicKey(key).export({ format: 'pem', type: 'spki' })), publicKey);
  await t.throwsAsync(openPrivateKey(privateKey, 'wrong', 'k'), { code: 'UNAUTHORIZED' });
  await t.throwsAsync(openPrivateKey('nonsense', '', 'k'), { code: 'INVALID' });
  const body = JSON.parse(Buffer.from(privateKey.split('\n').slice(1, -2).join(''), 'base64').toString());
  const pem = (document: unknown) =>
    `-----BEGIN ENCRYPTED COSIGN PRIVATE KEY-----\n${Buffer.from(JSON.stringify(document)).toString('base64')}\n-----END ENCRYPTED COSIGN PRIVATE KEY-----\n`;
  await t.notThrowsAsync(openPrivateKey(pem(body), 'secret', 'k'));
  for (const params of [
    { N: 2 ** 30, r: 8, p: 1 },
    { N: 1000, r: 8, p: 1 },
    { N: 1024, r: 2 ** 24, p: 1 },
    { N: 1024, r: 8, p: 1000 },
  ]) {
    const costly = { ...body, kdf: { ...body.kdf, params } };
    await t.throwsAsync(openPrivateKey(pem(costly), 'secret', 'k'), { message: /out of bounds/ });
  }
  await t.throwsAsync(openPrivateKey(pem({ ...body, cipher: { name: 'none' } }), 'secret', 'k'), {
    code: 'INVALID',
  });
  t.throws(() => readPublicKey({ kind: 'data', pem: privateKey }), { message: /a private key/ });
  t.throws(() => readPublicKey({ kind: 'data', pem: 'x' }), { code: 'INVALID' });
  t.throws(() => readPublicKey({ kind: 'file', path: '/no/such/key' }), { code: 'IO' });
});

test("the user's policy comes before the host's, and one that is named must be there", (t) => {
  const HOME = temporaryDirectory(t);
  const own = join(HOME, '.config', 'containers');
  mkdirSync(own, { recursive: true });
  writeFileSync(join(own, 'policy.json'), JSON.stringify({ default: reject }));
  t.deepEqual(readPolicy({ HOME }, undefined)?.fallback, [{ kind: 'reject' }]);
  t.throws(() => readPolicy({ HOME }, join(HOME, 'none')), { code: 'IO' });
  writeFileSync(join(own, 'policy.json'), '{');
  t.throws(() => readPolicy({ HOME }, undefined), { code: 'INVALID', message: /policy\.json/ });
});

test('registries.d says where signatures hang beside images', (t) => {
  const HOME = temporaryDirectory(t);
  const directory = join(HOME, '.config', 'containers', 'registries.d');
  mkdirSync(directory, { recursive: true });
  const uses = (name: string) => usesAttachments({ HOME }, parseReference(name));
  t.is(uses('a.io/x'), undefined);
  writeFileSync(
    join(directory, 'a.yaml'),
    '# comment\ndefault-docker:\n  use-sigstore-attachments: true\ndocker:\n  a.io:\n    lookaside: https://x.example/\n  b.io/team:\n    use-sigstore-attachments: false\n',
  );
  t.is(uses('c.io/x'), true);
  t.is(uses('a.io/x'), true);
  t.is(uses('b.io/team/x'), false);
  writeFileSync(join(directory, 'b.yaml'), 'docker:\n  a.io:\n    use-sigstore-attachments: true\n');
  t.throws(() => uses('a.io/x'), { code: 'CONFLICT', message: /a\.yaml has docker: a\.io too/ });
  writeFileSync(join(directory, 'b.yaml'), 'docker: &x\n');
  t.throws(() => uses('a.io/x'), { message: /b\.yaml/ });
});
