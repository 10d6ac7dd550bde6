import test from 'ava';
import type { ContainerStore } from '../../lib/container/container-store.js';
import { findPod, listPods, memberOptions, parseShare } from '../../lib/container/pod.js';
import type { PodPart } from '../../lib/container/run-options.js';
import type { ContainerView } from '../../lib/container/view.js';
import { CoracleError, type ErrorCode } from '../../lib/errors.js';

function view(id: string, status: string, pod: PodPart | undefined): ContainerView {
  const record = { id, name: `n${id}`, created: '2026-01-01T00:00:00Z', network: 'none', options: { pod } };
  return { record, status, directory: '/' } as unknown as ContainerView;
}

function storeOf(...views: readonly ContainerView[]): ContainerStore {
  return { list: () => views } as unknown as ContainerStore;
}

const holder: PodPart = { kind: 'holder', share: ['net', 'pid'] };
const member: PodPart = { kind: 'member', holder: 'aa' };

test('a pod is its holder and those that name it, in the order they were made', (t) => {
  const store = storeOf(
    view('c', 'running', member),
    view('x', 'running', undefined),
    view('b', 'running', member),
    view('ab', 'created', holder),
    view('aa', 'running', holder),
  );
  const pods = listPods(store);
  t.deepEqual(
    pods.map(({ name, status, members }) => [name, status, members.map(({ record }) => record.id)]),
    [
      ['nab', 'Created', []],
      ['naa', 'Running', ['b', 'c']],
    ],
  );
  t.is(findPod(store, 'naa').id, 'aa');
  t.is(findPod(store, 'ab').id, 'ab');
  t.throws(() => findPod(store, 'a'), { instanceOf: CoracleError, message: /2 ids begin so/ });
  t.throws(() => findPod(store, 'x'), { instanceOf: CoracleError, message: /no such pod/ });
});

const states = test.macro((t, main: string, members: readonly string[], expected: string) => {
  const views = members.map((status, i) => view(`m${i}`, status, member));
  t.is(listPods(storeOf(...views, view('aa', main, holder)))[0]?.status, expected as never);
});

test('some do not run', states, 'running', ['running', 'exited'], 'Degraded');
test('none runs', states, 'running', ['exited', 'exited'], 'Stopped');
test('all stand still', states, 'running', ['paused'], 'Paused');
test('its holder ended', states, 'exited', ['exited'], 'Exited');
test('nothing ran yet', states, 'created', ['created'], 'Created');

test('a member is in the namespaces of the holder', (t) => {
  const pod = findPod(storeOf(view('aa', 'running', holder)), 'aa');
  t.deepEqual(memberOptions({ name: 'web' }, pod), {
    name: 'web',
    network: 'container',
    networkContainer: 'aa',
    namespaces: { pid: { mode: 'container', container: 'aa' } },
    pod: { kind: 'member', holder: 'aa' },
  });
  t.is(memberOptions({ hostname: 'own' }, pod).hostname, 'own');
  t.throws(() => memberOptions({ network: 'none' }, pod), { message: /use --network in pod naa/ });
});

test('what is shared is a list', (t) => {
  t.deepEqual(parseShare(undefined), ['ipc', 'net', 'uts']);
  t.deepEqual(parseShare('none'), []);
  t.deepEqual(parseShare('pid,net'), ['pid', 'net']);
  const code: ErrorCode | undefined = t.throws(() => parseShare('all'), { instanceOf: CoracleError })?.code;
  t.is(code, 'USAGE');
});
