/** Lists changed an entry at a time. */
import test from 'ava';
import type { Descriptor } from '../../lib/oci/descriptor.js';
import { makeDigest } from '../../lib/oci/digest.js';
import { changeEntry, dropEntry, emptyIndex, putEntry } from '../../lib/oci/index-edit.js';
import { ociTypes } from '../../lib/oci/media-types.js';

const entry = (digit: string, more: Partial<Descriptor> = {}): Descriptor => ({
  mediaType: ociTypes.manifest,
  digest: makeDigest('sha256', digit.repeat(64)),
  size: 1,
  ...more,
});
const [a, b] = [entry('a'), entry('b')];

test('an entry is added at the end, or takes the place of its digest', (t) => {
  const index = [a, b].reduce(putEntry, emptyIndex);
  t.deepEqual(index.manifests, [a, b]);
  const other = entry('a', { platform: { architecture: 'arm64', os: 'linux' } });
  t.deepEqual(putEntry(index, other).manifests, [other, b]);
  t.deepEqual(emptyIndex.manifests, []);
});

test('what is said of an entry is added to what was', (t) => {
  const index = putEntry(
    emptyIndex,
    entry('a', { platform: { architecture: 'arm', os: 'linux', variant: 'v7' } }),
  );
  const said = changeEntry(index, a.digest, { platform: { variant: 'v6' }, annotations: { x: 'y' } });
  t.deepEqual(said.manifests[0]?.platform, { architecture: 'arm', os: 'linux', variant: 'v6' });
  const more = changeEntry(said, a.digest, { annotations: { z: '1' } });
  t.deepEqual(more.manifests[0]?.annotations, { x: 'y', z: '1' });
  t.deepEqual(changeEntry(index, a.digest, {}), index);
});

test('an entry that is not there can be neither changed nor dropped', (t) => {
  const index = putEntry(emptyIndex, a);
  t.deepEqual(dropEntry(index, a.digest).manifests, []);
  t.throws(() => dropEntry(index, b.digest), { message: /not in it/ });
  t.throws(() => changeEntry(index, b.digest, {}), { message: /not in it/ });
});
