/** Documents that are almost right: whatever they say, reading them ends in a value or in an error of ours, and soon. */
import test from 'ava';
import { temporaryDirectory } from '../helpers/host.js';
import type { Document } from './document.js';
import { documentsOfStore, documentsOfUser } from './documents-here.js';
import { documentsOutside } from './documents-outside.js';
import { damage, mutateJson } from './json-mutation.js';
import { complaintAbout, fuzzRuns, fuzzSeed, fuzzTime, processorTime, randomFrom } from './seeded.js';

const documents = [...documentsOutside, ...documentsOfUser, ...documentsOfStore];

/** Of processor time, for one document. */
const patience = 3000;

async function complaint({ read }: Document, text: string, directory: string): Promise<string | undefined> {
  const begun = processorTime();
  try {
    await read(text, directory);
  } catch (error) {
    const found = complaintAbout(error);
    if (found !== undefined) return found;
  }
  const spent = processorTime() - begun;
  if (Reflect.get({}, 'polluted') !== undefined) return 'all objects have something of the document';
  return spent > patience ? `${spent} ms` : undefined;
}

test('each document that is right is read', async (t) => {
  const directory = temporaryDirectory(t);
  for (const document of documents) {
    if (document.name === 'eStargz table') continue; // the place of its files is checked against the layer
    await t.notThrowsAsync(async () => document.read(document.right, directory), document.name);
  }
});

test(`S21, S22, S28, S29: mutated documents are read or refused in words (FUZZ_SEED=${fuzzSeed})`, async (t) => {
  t.timeout(fuzzTime);
  const directory = temporaryDirectory(t);
  const random = randomFrom(fuzzSeed);
  const found = new Map<string, string>();
  let runs = 0;
  for (const run of fuzzRuns(40 * documents.length)) {
    runs = run + 1;
    const document = documents[run % documents.length];
    if (document === undefined || found.size === 5) break;
    const { name, right, isText } = document;
    const text = isText === true ? damage(damage(right, random), random) : mutateJson(right, random);
    const problem = await complaint(document, text, directory);
    if (problem === undefined) continue;
    const key = `${name}: ${problem}`;
    found.set(key, text.length > 600 ? `${text.slice(0, 600)}... (${text.length})` : text);
  }
  t.deepEqual([...found], []);
  t.log(`${runs} documents`);
});
