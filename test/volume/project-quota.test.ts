import test from 'ava';
import { CoracleError } from '../../lib/errors.js';
import type { HostMount } from '../../lib/host/mount-table.js';
import {
  limitDirectory,
  type QuotaCommand,
  type QuotaHost,
  quotaCommands,
} from '../../lib/volume/project-quota.js';

const mount = (type: string, ...superOptions: string[]): HostMount => ({
  directory: '/srv',
  type,
  superOptions,
  noexec: false,
  shared: false,
  slave: false,
});

test('each file system has its own programs, in its own units', (t) => {
  const limits = { size: 10_000, inodes: 5 };
  t.deepEqual(quotaCommands(mount('ext4', 'rw', 'prjquota'), '/srv/v', limits, 7), [
    ['chattr', '-p', '7', '+P', '/srv/v'],
    ['setquota', '-P', '7', '0', '10', '0', '5', '/srv'],
  ]);
  t.deepEqual(quotaCommands(mount('xfs', 'rw', 'pquota'), '/srv/v', { size: 10_000 }, 7), [
    [
      ...['xfs_quota', '-x', '-D', '/dev/null', '-P', '/dev/null'],
      ...['-c', 'project -s -p /srv/v 7', '-c', 'limit -p bhard=10000 ihard=0 7', '/srv'],
    ],
  ]);
  // Without enforcement a limit is a wish.
  t.is(quotaCommands(mount('xfs', 'rw', 'pqnoenforce'), '/srv/v', limits, 7), undefined);
  t.is(quotaCommands(mount('ext4', 'rw'), '/srv/v', limits, 7), undefined);
  t.is(quotaCommands(mount('btrfs', 'prjquota'), '/srv/v', limits, 7), undefined);
  t.is(quotaCommands(undefined, '/srv/v', limits, 7), undefined);
});

function host(
  found: HostMount,
  isRoot: boolean,
  problem?: string,
): QuotaHost & { readonly done: QuotaCommand[] } {
  const done: QuotaCommand[] = [];
  const run = (command: QuotaCommand): string | undefined => {
    done.push(command);
    return problem;
  };
  return { isRoot, mountOf: () => found, run, done };
}

test('root does it, others are told how root does it', (t) => {
  const good = mount('ext4', 'prjquota');
  const root = host(good, true);
  limitDirectory('v', '/srv/a b', { size: 1024 }, root);
  t.deepEqual(
    root.done.map(([program]) => program),
    ['chattr', 'setquota'],
  );
  const [first, second] = root.done;
  t.true(Number(first?.[2]) >= 2 ** 24);
  t.is(first?.[2], second?.[2]);
  const fails = (on: QuotaHost): CoracleError | undefined =>
    t.throws(() => limitDirectory('v', '/srv/a b', { size: 1024 }, on), { instanceOf: CoracleError });
  const refused = fails(host(good, false));
  t.regex(refused?.message ?? '', /root alone/);
  t.regex(refused?.hint ?? '', /chattr -p \d+ \+P '\/srv\/a b' && setquota -P \d+ 0 1 0 0 \/srv$/);
  t.regex(fails(host(mount('ext4'), true))?.message ?? '', /at \/srv \(ext4\) has no project quotas/);
  t.regex(fails(host(good, true, 'setquota: no such file'))?.message ?? '', /setquota: no such file/);
  const nothing = host(good, false);
  limitDirectory('v', '/srv/v', {}, nothing);
  t.deepEqual(nothing.done, []);
});
