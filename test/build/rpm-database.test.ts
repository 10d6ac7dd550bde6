/** RPM databases: one that rpm made, and damaged ones. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { parseRpmSqlite } from '../../lib/build/rpm-database.js';
import { readSqliteTable } from '../../lib/build/sqlite-table.js';
import { CoracleError } from '../../lib/errors.js';
import { testWith } from '../helpers/declare.js';
import { missingProgram, temporaryDirectory } from '../helpers/host.js';

const needs = [missingProgram('rpm'), missingProgram('rpmbuild')];

/** A database with `count` packages, of which the first has everything. */
function makeDatabase(t: ExecutionContext<unknown>, count: number): Buffer {
  const top = temporaryDirectory(t);
  const home = join(top, 'home');
  mkdirSync(home);
  const run = (program: string, ...args: readonly string[]): Buffer =>
    execFileSync(program, ['--define', `_topdir ${top}/b`, ...args], {
      env: { ...process.env, HOME: home },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  const texts = Array.from({ length: count }, (_, index) => {
    const more = index === 0 ? 'Epoch: 2\nVendor: Example Works\n' : '';
    // The long description puts the header onto overflow pages.
    const filler = 'words '.repeat(index === 1 ? 20_000 : 1);
    const head = `Name: tool-${index}\nVersion: 1.${index}\nRelease: 4\n${more}Summary: A tool\nLicense: MIT\nBuildArch: noarch\n`;
    return `${head}%description\n${filler}\n%files\n`;
  });
  const packages = texts.map((text, index) => {
    writeFileSync(join(top, `${index}.spec`), text);
    run('rpmbuild', '-bb', join(top, `${index}.spec`));
    return join(top, 'b', 'RPMS', 'noarch', `tool-${index}-1.${index}-4.noarch.rpm`);
  });
  run(
    'rpm',
    '--dbpath',
    `${top}/db`,
    '--define',
    '_db_backend sqlite',
    '--nodeps',
    '--justdb',
    '-i',
    ...packages,
  );
  return readFileSync(join(top, 'db', 'rpmdb.sqlite'));
}

testWith(needs, "rpm's own database is read, rows on many pages too", (t) => {
  t.timeout(120_000);
  const bytes = makeDatabase(t, 3);
  const found = [...parseRpmSqlite(bytes, 'db', { id: 'fedora', version: '40' })].sort((a, b) =>
    a.name < b.name ? -1 : 1,
  );
  t.deepEqual(
    found.map(({ name, version }) => `${name} ${version}`),
    ['tool-0 1.0-4', 'tool-1 1.1-4', 'tool-2 1.2-4'],
  );
  t.deepEqual(found[0], {
    name: 'tool-0',
    version: '1.0-4',
    purl: 'pkg:rpm/fedora/tool-0@1.0-4?arch=noarch&epoch=2&distro=fedora-40',
    source: 'db',
    license: 'MIT',
    supplier: 'Organization: Example Works',
  });
  t.is([...readSqliteTable(bytes, 'Packages', 'db')].length, 3);
  t.throws(() => [...readSqliteTable(bytes, 'Nothing', 'db')], { message: /has no table Nothing/ });
  damaged(t, bytes);
});

/** Whatever is changed or missing, it is read, or refused as damaged, and soon. */
function damaged(t: ExecutionContext<unknown>, bytes: Buffer): void {
  const started = Date.now();
  let state = 1;
  const random = (limit: number): number => {
    state = (state * 48271) % 0x7fffffff;
    return state % limit;
  };
  for (let run = 0; run < 2000; run++) {
    const copy = Buffer.from(run % 4 === 0 ? bytes.subarray(0, random(bytes.length)) : bytes);
    // Most changes go where the pages' structure is.
    const spread = run % 2 === 0 ? copy.length : Math.min(copy.length, 12_000);
    for (let change = 0; change < 1 + (run % 8) && spread > 0; change++) copy[random(spread)] = random(256);
    try {
      parseRpmSqlite(copy, 'db', undefined);
    } catch (error) {
      if (error instanceof CoracleError && error.code === 'INVALID') continue;
      throw error;
    }
  }
  t.true(Date.now() - started < 60_000);
}

test('what is no database, and pages that lead in a circle, are refused', (t) => {
  for (const bytes of [
    Buffer.alloc(0),
    Buffer.alloc(4096),
    Buffer.from('SQLite format 3\0'.padEnd(200, '\0')),
  ])
    t.throws(() => parseRpmSqlite(bytes, 'db', undefined), { instanceOf: CoracleError, message: /db: / });
  const circle = Buffer.alloc(1024);
  circle.write('SQLite format 3\0', 'latin1');
  circle.writeUInt16BE(512, 16);
  circle.writeUInt8(0x05, 100);
  circle.writeUInt32BE(1, 108);
  t.throws(() => parseRpmSqlite(circle, 'db', undefined), { message: /page 1 is used twice/ });
});
