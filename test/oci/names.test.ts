import test from 'ava';
import fc from 'fast-check';
import { CoracleError } from '../../lib/errors.js';
import {
  formatPlatform,
  hostPlatform,
  matchesPlatform,
  type Platform,
  parsePlatform,
  selectPlatform,
} from '../../lib/oci/platform.js';
import { familiarReference, formatReference, parseReference } from '../../lib/oci/reference.js';

const hex = '0123456789abcdef'.repeat(4);

const parses = test.macro((t, text: string, expected: unknown, familiar: string) => {
  const reference = parseReference(text);
  const plain: unknown = reference;
  t.deepEqual(plain, expected);
  t.is(familiarReference(reference), familiar);
  t.deepEqual(parseReference(formatReference(reference)), reference);
  t.deepEqual(parseReference(familiar), reference);
});

test(
  'a bare name means docker.io/library with tag latest',
  parses,
  'alpine',
  { registry: 'docker.io', repository: 'library/alpine', tag: 'latest' },
  'alpine:latest',
);
test(
  'a user name means docker.io',
  parses,
  'user/app:1',
  { registry: 'docker.io', repository: 'user/app', tag: '1' },
  'user/app:1',
);
test(
  'index.docker.io is docker.io',
  parses,
  'index.docker.io/alpine',
  { registry: 'docker.io', repository: 'library/alpine', tag: 'latest' },
  'alpine:latest',
);
test(
  'localhost is a registry',
  parses,
  'localhost/app',
  { registry: 'localhost', repository: 'app', tag: 'latest' },
  'localhost/app:latest',
);
test(
  'a port makes a registry',
  parses,
  'box:5000/a/b:t',
  { registry: 'box:5000', repository: 'a/b', tag: 't' },
  'box:5000/a/b:t',
);
test(
  'an upper-case first part makes a registry',
  parses,
  'Box/a',
  { registry: 'Box', repository: 'a', tag: 'latest' },
  'Box/a:latest',
);
test(
  'an IPv6 address is a registry',
  parses,
  '[::1]:5000/a',
  { registry: '[::1]:5000', repository: 'a', tag: 'latest' },
  '[::1]:5000/a:latest',
);
test(
  'a digest implies no tag',
  parses,
  `quay.io/a@sha256:${hex}`,
  { registry: 'quay.io', repository: 'a', digest: `sha256:${hex}` },
  `quay.io/a@sha256:${hex}`,
);
test(
  'tag and digest stand together',
  parses,
  `a:b@sha256:${hex}`,
  { registry: 'docker.io', repository: 'library/a', tag: 'b', digest: `sha256:${hex}` },
  `a:b@sha256:${hex}`,
);
test(
  'separators within a name are kept',
  parses,
  'a__b/c---d.e_f',
  { registry: 'docker.io', repository: 'a__b/c---d.e_f', tag: 'latest' },
  'a__b/c---d.e_f:latest',
);

const refuses = test.macro((t, text: string, message: RegExp) => {
  t.throws(() => parseReference(text), { instanceOf: CoracleError, code: 'INVALID', message });
});

test('an empty reference is refused', refuses, '', /empty/);
test('upper-case letters in a repository are named', refuses, 'docker.io/Foo/bar', /"Foo" has upper-case/);
test('an upper-case bare name is named', refuses, 'Alpine', /"Alpine" has upper-case/);
test('an empty part is refused', refuses, 'quay.io/a//b', /empty/);
test('a registry alone is refused', refuses, 'quay.io/', /empty/);
test('S41: a leading separator is refused', refuses, 'a/-b', /"-b"/);
test('three underscores are refused', refuses, 'a___b', /"a___b"/);
test('S41: a bad tag is named', refuses, 'a:-x', /tag "-x"/);
test('an empty tag is refused', refuses, 'a:', /tag ""/);
test('a tag of 129 characters is refused', refuses, `a:${'x'.repeat(129)}`, /tag/);
test('a short digest is refused', refuses, 'a@sha256:123', /digest "sha256:123"/);
test('a port out of range is refused', refuses, 'box:70000/a', /registry "box:70000"/);
test('a transport prefix is refused', refuses, 'docker://alpine', /registry "docker:"/);
test('a name that looks like an id is refused', refuses, hex, /image id/);
test('a name over 255 characters is refused', refuses, `quay.io/${'a'.repeat(250)}`, /longer than 255/);
test('S29: dots that would climb are refused', refuses, 'quay.io/../../etc', /"\.\."/);
test('white space is refused', refuses, 'alpine latest', /"alpine latest"/);

test('what parses formats and parses to the same; what does not is INVALID', (t) => {
  const character = fc.constantFrom(...'abAB01.:/@_- []%\n');
  const text = fc.oneof(fc.string({ unit: character, maxLength: 40 }), fc.string());
  fc.assert(
    fc.property(text, (value) => {
      try {
        const reference = parseReference(value);
        t.deepEqual(parseReference(formatReference(reference)), reference);
        t.deepEqual(parseReference(familiarReference(reference)), reference);
      } catch (error) {
        if (!(error instanceof CoracleError) || error.code !== 'INVALID') throw error;
      }
    }),
    { numRuns: 2000 },
  );
});

const host: Platform = { os: 'linux', architecture: 'amd64' };

test('S28: platforms have one spelling', (t) => {
  for (const [text, expected] of [
    ['linux/x86_64', 'linux/amd64'],
    ['linux/aarch64', 'linux/arm64'],
    ['linux/arm64/v8', 'linux/arm64'],
    ['linux/armhf', 'linux/arm/v7'],
    ['linux/armv6l', 'linux/arm/v6'],
    ['linux/arm', 'linux/arm/v7'],
    ['linux/arm/6', 'linux/arm/v6'],
    ['Linux/AMD64', 'linux/amd64'],
    ['arm64', 'linux/arm64'],
    ['linux', 'linux/amd64'],
    ['linux/amd64/v3', 'linux/amd64/v3'],
  ] as const) {
    t.is(formatPlatform(parsePlatform(text, host)), expected);
  }
  for (const text of ['', 'a/b/c/d', 'linux/', 'linux/../x', 'pdp11']) {
    t.throws(() => parsePlatform(text, host), { code: 'USAGE' });
  }
  t.deepEqual(hostPlatform('x64'), { os: 'linux', architecture: 'amd64' });
  t.deepEqual(hostPlatform('arm'), { os: 'linux', architecture: 'arm', variant: 'v7' });
});

test('the best entry of an index is chosen, attestations never', (t) => {
  const entry = (name: string, platform?: string) => ({
    name,
    ...(platform === undefined ? {} : { platform: parsePlatform(platform, host) }),
  });
  const attestation = {
    ...entry('attestation', 'linux/amd64'),
    annotations: { 'vnd.docker.reference.type': 'attestation-manifest' },
  };
  const entries = [
    attestation,
    entry('386', 'linux/386'),
    entry('v5', 'linux/arm/v5'),
    entry('v6', 'linux/arm/v6'),
    entry('amd', 'linux/amd64'),
    entry('v3', 'linux/amd64/v3'),
    entry('none'),
  ];
  const chosen = (wanted: string, from = entries): string | undefined =>
    selectPlatform(from, parsePlatform(wanted, host))?.name;
  t.is(chosen('linux/amd64'), 'amd');
  t.is(chosen('linux/amd64/v4'), 'v3');
  t.is(chosen('linux/arm/v7'), 'v6');
  t.is(chosen('linux/arm64'), 'v6');
  t.is(chosen('linux/s390x'), 'none');
  t.is(chosen('linux/s390x', entries.slice(0, 6)), undefined);
  t.is(chosen('linux/amd64', entries.slice(1, 3)), '386');
  t.false(matchesPlatform({ os: 'linux', architecture: 'amd64', variant: 'v3' }, host));
  t.false(matchesPlatform({ os: 'windows', architecture: 'amd64' }, host));
});
