import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { findCdiEdits } from '../../lib/container/cdi.js';
import { parseDevice, parseGpus } from '../../lib/container/device-flags.js';
import { checkSysctls } from '../../lib/container/sysctls.js';
import { CoracleError, type ErrorCode } from '../../lib/errors.js';
import { parseYaml } from '../../lib/host/yaml.js';

test('a device has a place, and is all one may do with it', (t) => {
  const node = { kind: 'node', source: '/dev/fuse', destination: '/dev/fuse' };
  t.deepEqual(parseDevice('/dev/fuse'), node);
  t.deepEqual(parseDevice('/dev/fuse:rwm'), node);
  t.deepEqual(parseDevice('/dev/fuse:/dev/x:rw'), { ...node, destination: '/dev/x' });
  t.deepEqual(parseDevice('vendor.com/net=card0'), { kind: 'cdi', name: 'vendor.com/net=card0' });
  t.deepEqual(parseGpus('device=0,1'), [
    { kind: 'cdi', name: 'nvidia.com/gpu=0' },
    { kind: 'cdi', name: 'nvidia.com/gpu=1' },
  ]);
});

const refuses = test.macro((t, act: () => unknown, code: ErrorCode, message: RegExp) => {
  const error = t.throws(act, { instanceOf: CoracleError });
  t.is(error?.code, code);
  t.regex(error?.message ?? '', message);
});

test('less than all', refuses, () => parseDevice('/dev/fuse:r'), 'UNSUPPORTED', /cannot be limited to r/);
test('no path', refuses, () => parseDevice('fuse'), 'USAGE', /not HOST/);
test(
  'the host kernel',
  refuses,
  () => checkSysctls({ sysctls: { 'kernel.hostname': 'x' } }),
  'USAGE',
  /set sysctl kernel.hostname/,
);
test(
  'a setting whose name only begins like one',
  refuses,
  () => checkSysctls({ sysctls: { 'kernel.sem_next_id': '1' } }),
  'USAGE',
  /kernel.sem_next_id/,
);
test(
  'the host network',
  refuses,
  () => checkSysctls({ sysctls: { 'net/core/x': '1' }, network: 'host' }),
  'USAGE',
  /its network namespace/,
);

test('namespaced settings pass', (t) => {
  t.notThrows(() =>
    checkSysctls({ sysctls: { 'net.core.somaxconn': '1', 'kernel.shmmax': '1', 'fs.mqueue.msg_max': '9' } }),
  );
});

const yaml = `---
# generated
cdiVersion: "0.5.0"
kind: vendor.com/card
containerEdits:
  env:
  - ALL=yes
devices:
- name: "0"
  containerEdits:
    deviceNodes:
    - path: /dev/null0
      hostPath: /dev/null
    env: [ONE=1, 'TWO=it''s']
- name: one
  containerEdits:
    mounts:
    - hostPath: /usr/lib
      containerPath: /vendor
      options:
      - ro
      - nosuid
    hooks:
    - hookName: createContainer
      path: /bin/hook
`;

test('programs write YAML that is understood', (t) => {
  t.deepEqual(parseYaml(yaml), {
    cdiVersion: '0.5.0',
    kind: 'vendor.com/card',
    containerEdits: { env: ['ALL=yes'] },
    devices: [
      {
        name: '0',
        containerEdits: {
          deviceNodes: [{ path: '/dev/null0', hostPath: '/dev/null' }],
          env: ['ONE=1', "TWO=it's"],
        },
      },
      {
        name: 'one',
        containerEdits: {
          mounts: [{ hostPath: '/usr/lib', containerPath: '/vendor', options: ['ro', 'nosuid'] }],
          hooks: [{ hookName: 'createContainer', path: '/bin/hook' }],
        },
      },
    ],
  });
  for (const text of ['a: &x 1', 'a: |\n  b', 'a: 1\n   b: 2', '{a: 1}']) t.throws(() => parseYaml(text));
});

test('a description adds what it has for all and for the one', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'cdi-'));
  writeFileSync(join(directory, 'card.yaml'), yaml);
  writeFileSync(join(directory, 'note.txt'), 'nothing');
  const edits = findCdiEdits(
    ['vendor.com/card=0', 'vendor.com/card=one'],
    [join(directory, 'none'), directory],
  );
  t.deepEqual(edits.env, ['ALL=yes', 'ONE=1', "TWO=it's"]);
  t.deepEqual(edits.nodes, [{ source: '/dev/null', destination: '/dev/null0' }]);
  t.is(edits.mounts.length, 1);
  t.like(edits.mounts[0], { type: 'bind', source: '/usr/lib', destination: '/vendor', readonly: true });
  t.regex(edits.warnings.join(), /the hook createContainer \/bin\/hook is not run/);
  const error = t.throws(() => findCdiEdits(['vendor.com/card=2'], [directory]), {
    instanceOf: CoracleError,
  });
  t.is(error?.code, 'NOT_FOUND');
  t.regex(`${error?.hint}`, /vendor.com\/card=0 vendor.com\/card=one/);
});
