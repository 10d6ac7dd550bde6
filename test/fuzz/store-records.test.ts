/** Records on disk may hold anything: whatever is read, it ends in a value or in an error of ours. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { CoracleError } from '../../lib/errors.js';
import { storePaths } from '../../lib/host/paths.js';
import { concatenateRanges, parseSubIds, splitAtParentExtents } from '../../lib/host/sub-ids.js';
import { IndexFile } from '../../lib/image/index-file.js';
import { lookUp } from '../../lib/image/look-up.js';
import { fileLocks } from '../../lib/native/lock.js';
import { parseSnapshotRecord } from '../../lib/snapshot/record.js';
import { temporaryDirectory } from '../helpers/host.js';

function endsWell(action: () => unknown): boolean {
  try {
    action();
    return true;
  } catch (error) {
    return error instanceof CoracleError && error.code !== 'INTERNAL';
  }
}

const id = fc.constantFrom('a'.repeat(26), 'b'.repeat(26), '../..', '');
const recordLike = fc.record(
  {
    version: fc.constantFrom(1, 2, '1'),
    id,
    parent: id,
    lowers: fc.array(fc.oneof(id, fc.jsonValue())),
    chainId: fc.jsonValue(),
    size: fc.oneof(fc.double(), fc.integer()),
    created: fc.string(),
  },
  { requiredKeys: [] },
);

test('any JSON as a snapshot record is a record or refused', (t) => {
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), recordLike), (value) =>
      endsWell(() => parseSnapshotRecord(value, 'record')),
    ),
  );
  t.pass();
});

const digest = fc.constantFrom(`sha256:${'a'.repeat(64)}`, `sha256:${'b'.repeat(64)}`, 'sha256:../x', '');
const annotations = fc.dictionary(
  fc.constantFrom('org.opencontainers.image.ref.name', 'dev.coracle.image.id', 'other', '__proto__'),
  fc.oneof(
    fc.constantFrom('docker.io/library/a:latest', 'a', `sha256:${'a'.repeat(64)}`),
    fc.string(),
    fc.integer(),
  ),
);
const descriptorLike = fc.record(
  {
    mediaType: fc.oneof(fc.constant('application/x'), fc.jsonValue()),
    digest,
    size: fc.oneof(fc.nat(), fc.jsonValue()),
    annotations,
  },
  { requiredKeys: [] },
);
const indexLike = fc.record({
  schemaVersion: fc.constantFrom(2, 1, '2'),
  manifests: fc.oneof(fc.array(descriptorLike), fc.jsonValue()),
});
const query = fc.constantFrom(
  'a',
  `a@sha256:${'a'.repeat(64)}`,
  'aa',
  `sha256:${'a'.repeat(64)}`,
  'sha256:aa',
  '../a',
  '',
);

test('any index.json and any name end in an image, in none, or in an error', (t) => {
  const paths = storePaths(temporaryDirectory(t));
  const index = new IndexFile(paths, fileLocks);
  const text = fc.oneof(
    indexLike.map((value) => JSON.stringify(value)),
    indexLike.map((value) => JSON.stringify(value, null, 1)),
    indexLike.map((value) => JSON.stringify(value).replaceAll('{"mediaType"', '\n{"mediaType"')),
    fc.string(),
  );
  fc.assert(
    fc.property(text, query, (content, name) => {
      writeFileSync(join(paths.root, 'index.json'), content);
      return endsWell(() => lookUp(name, index.read(), () => undefined));
    }),
    { numRuns: 300 },
  );
  t.pass();
});

const line = fc
  .tuple(fc.constantFrom('ann', '1000', 'bob'), fc.nat({ max: 2 ** 33 }), fc.nat({ max: 2 ** 33 }))
  .map((fields) => fields.join(':'));

test('S12: any subordinate id file gives ranges that neither overlap nor hold forbidden ids', (t) => {
  fc.assert(
    fc.property(fc.array(fc.oneof(line, fc.string())), (lines) => {
      const ranges = parseSubIds(lines.join('\n'), 'ann', 1000);
      const map = concatenateRanges(1000, ranges);
      const hosts = [...map].sort((one, other) => one.host - other.host);
      return (
        hosts.every((range, place) => range.host + range.size <= (hosts[place + 1]?.host ?? 2 ** 32)) &&
        map.every(
          (range, place) =>
            place === 0 || range.container === (map[place - 1]?.container ?? 0) + (map[place - 1]?.size ?? 0),
        ) &&
        map.every(({ host }) => host > 0)
      );
    }),
  );
  t.pass();
});

test('S12: any uid_map gives a map without gaps inside', (t) => {
  const extent = fc.tuple(fc.nat(), fc.nat(), fc.nat()).map((fields) => fields.join(' '));
  fc.assert(
    fc.property(fc.array(fc.oneof(extent, fc.string())), (lines) => {
      let next = 0;
      for (const { container, size } of splitAtParentExtents(lines.join('\n'))) {
        if (container !== next) return false;
        next += size;
      }
      return true;
    }),
  );
  t.pass();
});
