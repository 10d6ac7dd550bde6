/** Which containers `--filter` chooses where it compares times. */
import test from 'ava';
import { filterContainers, needsAll } from '../../cmd/container-filters.js';
import type { ContainerListing } from '../../lib/index.js';

const container = (name: string, created: string): ContainerListing => ({
  id: name.repeat(64).slice(0, 64),
  name,
  image: 'busybox',
  imageId: '',
  command: [],
  created,
  createdAgo: '',
  state: 'running',
  status: '',
  ports: '',
  labels: {},
  exitCode: undefined,
  health: undefined,
  pid: 1,
  restartPolicy: 'no',
  startsOnBoot: false,
  bridged: false,
  network: 'none',
  mounts: [],
});

const all = [
  container('c', '2026-01-03T00:00:00Z'),
  container('b', '2026-01-02T00:00:00Z'),
  container('a', '2026-01-01T00:00:00Z'),
];

const chosen = (...texts: readonly string[]): readonly string[] =>
  filterContainers(all, texts).map(({ name }) => name);

test('before and since are told by another container, until by a time', (t) => {
  t.deepEqual(chosen('before=b'), ['a']);
  t.deepEqual(chosen('since=b'), ['c']);
  t.deepEqual(chosen('since=aaaa', 'before=c'), ['b']);
  t.deepEqual(chosen('until=2026-01-02T12:00:00Z'), ['b', 'a']);
  t.deepEqual(chosen('until=2026-01-02T12:00:00Z', 'name=^b$'), ['b']);
});

test('a container that is not there and a time that is none are refused', (t) => {
  t.throws(() => chosen('before=z'), { message: 'filter before=z: no such container' });
  t.throws(() => chosen('until=soon'), { message: /invalid time "soon"/ });
});

test('filters that say which states or times are meant are about all containers', (t) => {
  t.true(needsAll(['name=x', 'before=y']));
  t.false(needsAll(['name=status=x', 'label=since']));
});
