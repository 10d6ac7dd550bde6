/** The corpus's cases that only set the config, and those that must fail. */
import test from 'ava';
import { declareCases } from './corpus/declare.js';
import { failures } from './corpus/failures.js';
import { files } from './corpus/files.js';
import { settings } from './corpus/settings.js';
import { substitutions } from './corpus/substitution.js';

test('the corpus has names of its own, and is large', (t) => {
  const corpus = [...substitutions, ...settings, ...files, ...failures];
  t.true(corpus.length >= 150, `${corpus.length}`);
  t.is(new Set(corpus.map(({ name }) => name)).size, corpus.length);
});

declareCases([...substitutions, ...settings, ...failures]);
