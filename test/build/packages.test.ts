/** Package databases as records, and bills of materials as SPDX documents. */
import test from 'ava';
import {
  parseApkInstalled,
  parseDpkgStatus,
  parseNpmLock,
  parseNpmPackage,
} from '../../lib/build/package-database.js';
import { spdxDocument } from '../../lib/build/spdx.js';

const debian = { id: 'debian', version: '12' };

test('dpkg: installed packages alone, continuation lines skipped', (t) => {
  const text = `Package: libc6
Status: install ok installed
Architecture: amd64
Maintainer: GNU Libc Maintainers <debian-glibc@lists.debian.org>
Version: 2.36-9+deb12u4
Description: library
 Version: 9
 .

Package: gone
Status: deinstall ok config-files
Version: 1

Package: broken
`;
  t.deepEqual(parseDpkgStatus(text, 'var/lib/dpkg/status', debian), [
    {
      name: 'libc6',
      version: '2.36-9+deb12u4',
      purl: 'pkg:deb/debian/libc6@2.36-9%2Bdeb12u4?arch=amd64&distro=debian-12',
      source: 'var/lib/dpkg/status',
      supplier: 'Person: GNU Libc Maintainers (debian-glibc@lists.debian.org)',
    },
  ]);
  t.is(parseDpkgStatus('Package: base-files\nVersion: 12\n', 'status.d/base', debian).length, 1);
});

test('apk: a package a paragraph, with its license', (t) => {
  const text = 'C:Q1x=\nP:musl\nV:1.2.4-r2\nA:x86_64\nL:MIT\n\nP:novers\n\n';
  t.deepEqual(parseApkInstalled(text, 'lib/apk/db/installed', { id: 'alpine', version: '3.19.1' }), [
    {
      name: 'musl',
      version: '1.2.4-r2',
      purl: 'pkg:apk/alpine/musl@1.2.4-r2?arch=x86_64&distro=alpine-3.19.1',
      source: 'lib/apk/db/installed',
      license: 'MIT',
    },
  ]);
});

test('npm: package.json and lock files; damaged ones describe nothing', (t) => {
  const purls = (packages: readonly { purl: string }[]): readonly string[] =>
    packages.map(({ purl }) => purl);
  const one = '{"name":"@scope/a","version":"1.0.0","license":"MIT"}';
  t.deepEqual(purls(parseNpmPackage(one, 'x')), ['pkg:npm/%40scope/a@1.0.0']);
  for (const text of ['', '[]', '{"name":1,"version":"1"}', `{"name":"${'x'.repeat(2000)}","version":"1"}`])
    t.deepEqual(parseNpmPackage(text, 'x'), []);
  const lock = JSON.stringify({
    lockfileVersion: 3,
    packages: {
      '': { name: 'app', version: '9' },
      'node_modules/a': { version: '1.0.0' },
      'node_modules/a/node_modules/@s/b': { version: '2.0.0' },
      'node_modules/linked': { link: true, resolved: 'packages/linked' },
    },
  });
  t.deepEqual(purls(parseNpmLock(lock, 'x')), ['pkg:npm/a@1.0.0', 'pkg:npm/%40s/b@2.0.0']);
  t.deepEqual(parseNpmLock('{"packages":[1,null]}', 'x'), []);
});

test('a document is the same for the same packages, and names what was not read', (t) => {
  const [musl] = parseApkInstalled('P:musl\nV:1\n', 'lib/apk/db/installed', undefined);
  const scan = { packages: musl === undefined ? [] : [musl], unread: ['var/lib/rpm/Packages'] };
  const input = { scan, name: 'sbom', created: '2024-01-01T00:00:00.000Z', tool: 'coracle-1' };
  const document = spdxDocument(input);
  t.deepEqual(spdxDocument(input), document);
  t.like(document, {
    spdxVersion: 'SPDX-2.3',
    SPDXID: 'SPDXRef-DOCUMENT',
    creationInfo: {
      created: '2024-01-01T00:00:00Z',
      creators: ['Tool: coracle-1'],
      comment: 'not read: /var/lib/rpm/Packages',
    },
    packages: [
      {
        name: 'musl',
        versionInfo: '1',
        externalRefs: [
          {
            referenceCategory: 'PACKAGE-MANAGER',
            referenceType: 'purl',
            referenceLocator: 'pkg:apk/alpine/musl@1?distro=alpine',
          },
        ],
      },
    ],
  });
  t.notDeepEqual(spdxDocument({ ...input, scan: { packages: [], unread: [] } }), document);
});
