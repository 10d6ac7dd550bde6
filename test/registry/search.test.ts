/** Searching registries: both APIs, and answers that are none. */
import test from 'ava';
import { CoracleError } from '../../lib/errors.js';
import { parseCatalog, parseSearch, searchRepositories } from '../../lib/registry/search.js';
import { parseSearchTerm } from '../../lib/session/search.js';
import { client } from './hostile-fixtures.js';
import { sendJson, startHostile } from './hostile-server.js';

const names = (found: readonly { readonly repository: string }[]): string[] =>
  found.map(({ repository }) => repository);

test('the first API is asked with term, limit and page', async (t) => {
  const registry = await startHostile(t, ({ path }, response) => {
    const query = new URL(path, 'http://x').searchParams;
    const [page, n] = [Number(query.get('page')), Number(query.get('n'))];
    const results = Array.from({ length: page < 3 ? n : 7 }, (_, index) => ({
      name: `team/app-${page}-${index}`,
      description: null,
      star_count: index,
      is_official: index === 0,
    }));
    sendJson(response, 200, { results });
  });
  const all = await searchRepositories(client(t, registry.host), 'app', 1000);
  t.is(all.length, 207);
  t.deepEqual(registry.asked.map(({ path }) => path).slice(0, 2), [
    '/v1/search?q=app&n=100&page=1',
    '/v1/search?q=app&n=100&page=2',
  ]);
  t.deepEqual(all[0], {
    repository: 'team/app-1-0',
    description: '',
    stars: 0,
    official: true,
    automated: false,
  });
  t.is((await searchRepositories(client(t, registry.host), 'app', 5)).length, 5);
});

test('where there is no first API the catalog is read, page by page', async (t) => {
  const registry = await startHostile(t, ({ path }, response) => {
    if (path.startsWith('/v1/')) return void response.writeHead(404).end();
    if (path === '/v2/_catalog') response.setHeader('link', '</v2/_catalog?last=b>; rel="next"');
    sendJson(response, 200, { repositories: path === '/v2/_catalog' ? ['a/app', 'b'] : ['c/app', 'd/app'] });
  });
  t.deepEqual(names(await searchRepositories(client(t, registry.host), 'app', 25)), [
    'a/app',
    'c/app',
    'd/app',
  ]);
  t.deepEqual(names(await searchRepositories(client(t, registry.host), 'app', 2)), ['a/app', 'c/app']);
  t.deepEqual(names(await searchRepositories(client(t, registry.host), '', 2)), ['a/app', 'b']);
  t.false(
    registry.asked.slice(-1).some(({ path }) => path.startsWith('/v1/')),
    'all is a matter of the catalog',
  );
});

test('a catalog without end, and one that leads in a circle, are given up', async (t) => {
  let circle = false;
  const registry = await startHostile(t, ({ path }, response) => {
    if (path.startsWith('/v1/')) return void response.writeHead(404).end();
    const page = Number(/last=(\d+)/.exec(path)?.[1] ?? 0);
    const next = circle && page === 2 ? 1 : page + 1;
    response.setHeader('link', `</v2/_catalog?last=${next}>; rel="next"`);
    sendJson(response, 200, { repositories: [] });
  });
  await t.throwsAsync(searchRepositories(client(t, registry.host), 'x', 5), {
    message: /more than 1000 pages/,
  });
  circle = true;
  await t.throwsAsync(searchRepositories(client(t, registry.host), 'x', 5), {
    message: /its pages lead in a circle/,
  });
});

test('answers that are none are refused, names that cannot be are passed over', (t) => {
  for (const text of [
    '',
    '[]',
    '{"results":{}}',
    '{"results":[1]}',
    '{"results":[{"name":5}]}',
    '{"results":[{}]}',
  ]) {
    t.throws(() => parseSearch(text, 'search'), { instanceOf: CoracleError, message: /parse search/ }, text);
  }
  for (const text of ['{"repositories":"a"}', '{"repositories":[1]}', 'null']) {
    t.throws(() => parseCatalog(text, 'catalog'), { instanceOf: CoracleError }, text);
  }
  const strange = ['../../etc', 'UP', 'a b', '\u001b[31m', '', 'a'.repeat(300), '/x', 'ok/name', 'x:tag'];
  t.deepEqual(parseCatalog(JSON.stringify({ repositories: strange }), 'catalog'), ['ok/name']);
  const results = strange.map((name) => ({ name, star_count: -1, description: 'd' }));
  t.deepEqual(
    parseSearch(JSON.stringify({ results }), 'search').map(({ repository, stars }) => [repository, stars]),
    [['ok/name', 0]],
  );
  t.deepEqual(parseSearch('{}', 'search'), []);
});

test('a term has a registry in front, or means the registries of the search list', (t) => {
  t.deepEqual(parseSearchTerm('debian'), { registry: undefined, term: 'debian' });
  t.deepEqual(parseSearchTerm('team/app'), { registry: undefined, term: 'team/app' });
  t.deepEqual(parseSearchTerm('index.docker.io/x'), { registry: 'docker.io', term: 'x' });
  t.deepEqual(parseSearchTerm('localhost:5000/'), { registry: 'localhost:5000', term: '' });
  t.deepEqual(parseSearchTerm('quay.io/team/app'), { registry: 'quay.io', term: 'team/app' });
  t.throws(() => parseSearchTerm(''), { message: /empty/ });
  t.throws(() => parseSearchTerm('bad_host.:99999999/x'), { message: /no host/ });
});
