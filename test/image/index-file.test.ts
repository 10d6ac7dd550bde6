import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { type IndexEntry, IndexFile } from '../../lib/image/index-file.js';
import { addEntry, dropReference, tagEntry } from '../../lib/image/tag-entries.js';
import type { Digest } from '../../lib/oci/digest.js';
import { ociTypes } from '../../lib/oci/media-types.js';
import { temporaryDirectory } from '../helpers/host.js';
import { sha256, testStores } from './store-fixture.js';

type Edit = {
  readonly around: { readonly references?: readonly string[]; readonly digests?: readonly Digest[] };
  readonly apply: (entries: readonly IndexEntry[]) => readonly IndexEntry[];
};

function entry(name: string | undefined, text = name ?? ''): IndexEntry {
  return {
    descriptor: { mediaType: ociTypes.manifest, digest: sha256(text), size: text.length },
    config: sha256(`config of ${text}`),
    ...(name === undefined ? {} : { reference: `localhost/${name}:1` }),
  };
}

const full = (name: string): string => `localhost/${name}:1`;

const tag = (one: IndexEntry): Edit => ({
  around: { references: [one.reference ?? ''], digests: [one.descriptor.digest] },
  apply: (entries) => tagEntry(entries, one),
});

const edits: readonly Edit[] = [
  tag(entry('first')),
  tag(entry('second')),
  tag(entry('alias', 'first')),
  tag(entry('third "quoted" ü')),
  tag(entry('first', 'another')), // the image has another name still
  tag(entry('second', 'another')), // and here it has none: it stays without
  {
    around: { digests: [sha256('loose')] },
    apply: (entries) => addEntry(entries, entry(undefined, 'loose')),
  },
  {
    around: { digests: [sha256('loose')] },
    apply: (entries) => addEntry(entries, entry(undefined, 'loose')),
  },
  tag(entry('named', 'loose')),
  { around: { references: [full('alias')] }, apply: (entries) => dropReference(entries, full('alias')) },
  { around: { references: [full('absent')] }, apply: (entries) => dropReference(entries, full('absent')) },
  { around: { references: [full('first')] }, apply: (entries) => dropReference(entries, full('first')) },
];

test('changes that see only the entries around a name come to the same as those that see all', (t) => {
  const { paths, locks } = testStores(t);
  const part = new IndexFile({ ...paths, index: join(temporaryDirectory(t), 'part') }, locks);
  const whole = new IndexFile({ ...paths, index: join(temporaryDirectory(t), 'whole') }, locks);
  for (const [step, { around, apply }] of edits.entries()) {
    whole.change((entries) => ({ entries: apply(entries), result: undefined }));
    part.changeAround(around, (entries) => ({ entries: apply(entries), result: undefined }));
    t.deepEqual(part.read().entries(), whole.read().entries(), `step ${step}`);
  }
  t.deepEqual(
    part
      .read()
      .entries()
      .map(({ reference }) => reference),
    [full('third "quoted" ü'), undefined, full('second'), full('named'), undefined],
  );
});

test('such a change of a file that another tool wrote in one line keeps all of it', (t) => {
  const { paths, locks } = testStores(t);
  const file = new IndexFile(paths, locks);
  for (const name of ['one', 'two', 'three']) {
    const { around, apply } = tag(entry(name));
    file.changeAround(around, (entries) => ({ entries: apply(entries), result: undefined }));
  }
  writeFileSync(paths.index, JSON.stringify(JSON.parse(readFileSync(paths.index, 'utf8'))));
  const { around, apply } = tag(entry('two', 'other'));
  file.changeAround(around, (entries) => ({ entries: apply(entries), result: undefined }));
  t.deepEqual(
    file
      .read()
      .entries()
      .map(({ reference }) => reference),
    [full('one'), full('three'), undefined, full('two')],
  );
});
