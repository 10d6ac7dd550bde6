import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { mountOf, parseMountTable } from '../../lib/host/mount-table.js';
import { fileLabel, selinuxIsOn } from '../../lib/host/selinux.js';
import { temporaryDirectory } from '../helpers/host.js';

const table = `21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,prjquota
22 21 8:2 / /home rw shared:2 master:1 propagate_from:3 - xfs /dev/sda2 rw,attr2
23 21 8:3 / /a\\040b rw master:4 - ext4 /dev/sdb rw
24 22 8:4 / /home/u rw - tmpfs tmpfs rw,size=5k

nonsense
`;

test('a line tells the place, the file system and who else sees mounts', (t) => {
  t.deepEqual(parseMountTable(table), [
    {
      directory: '/',
      type: 'ext4',
      superOptions: ['rw', 'prjquota'],
      noexec: false,
      shared: true,
      slave: false,
    },
    {
      directory: '/home',
      type: 'xfs',
      superOptions: ['rw', 'attr2'],
      noexec: false,
      shared: true,
      slave: true,
    },
    { directory: '/a b', type: 'ext4', superOptions: ['rw'], noexec: false, shared: false, slave: true },
    {
      directory: '/home/u',
      type: 'tmpfs',
      superOptions: ['rw', 'size=5k'],
      noexec: false,
      shared: false,
      slave: false,
    },
  ]);
});

test('a path lies on the deepest and last mount over it, behind its links', (t) => {
  const directory = temporaryDirectory(t);
  symlinkSync('/usr', join(directory, 'link'));
  const over = `${table}25 1 8:1 / /usr rw - btrfs x rw\n26 1 8:1 / /usr rw - nfs x rw\n`;
  t.is(mountOf(join(directory, 'link'), over)?.type, 'nfs');
  t.is(mountOf('/etc', over)?.type, 'ext4');
  t.is(mountOf('/', 'nothing'), undefined);
});

test('labels are for all containers or for one, whose categories differ', (t) => {
  const shared = 'system_u:object_r:container_file_t:s0';
  t.is(fileLabel('shared', 'ff'.repeat(32)), shared);
  t.is(fileLabel('private', `00050003${'0'.repeat(56)}`), `${shared}:c3,c5`);
  t.is(fileLabel('private', 'f'.repeat(64)), `${shared}:c0,c1023`);
  t.false(selinuxIsOn(temporaryDirectory(t)));
});
