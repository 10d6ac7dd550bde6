/** Options of `run` and `create` about namespaces, ids and devices. */
import type { OptionSpec } from '../command.js';

export const userOptions = [
  {
    name: 'userns',
    kind: 'string',
    value: 'MODE',
    summary:
      'Ids: host (you are its root), keep-id[:uid=N,gid=N,size=N] (you are you), auto[:size=N] (some of your own, no other container has them), nomap (you are not in it), container:NAME, ns:/proc/PID/ns/user',
  },
  {
    name: 'uidmap',
    kind: 'list',
    value: '[+ug]CONTAINER:[@]FROM[:SIZE]',
    summary: 'Users of the container; FROM counts your ids (0 is you), @FROM is an id of this host',
  },
  {
    name: 'gidmap',
    kind: 'list',
    value: '[+ug]CONTAINER:[@]FROM[:SIZE]',
    summary: 'The same for groups (default: as the users)',
  },
  {
    name: 'subuidname',
    kind: 'string',
    value: 'NAME',
    summary: 'Users are the range of NAME in /etc/subuid',
  },
  {
    name: 'subgidname',
    kind: 'string',
    value: 'NAME',
    summary: 'Groups are the range of NAME in /etc/subgid',
  },
] as const satisfies readonly OptionSpec[];

export const namespaceOptions = [
  {
    name: 'pod',
    kind: 'string',
    value: 'NAME',
    completes: 'pods',
    summary: 'Pod to be in; new:NAME makes one with its ports',
  },
  { name: 'pid', kind: 'string', value: 'MODE', summary: 'Pid namespace: private, host or container:NAME' },
  {
    name: 'ipc',
    kind: 'string',
    value: 'MODE',
    summary: 'Shared memory and queues: shareable, private, none, host or container:NAME',
  },
  { name: 'uts', kind: 'string', value: 'MODE', summary: 'Host name: private, host or container:NAME' },
  {
    name: 'cgroupns',
    kind: 'string',
    value: 'MODE',
    summary: 'Cgroup namespace: private, host or container:NAME',
  },
  ...userOptions,
] as const satisfies readonly OptionSpec[];

export const accountOptions = [
  { name: 'hostuser', kind: 'list', value: 'USER', summary: 'Add a user of this host to its passwd' },
  {
    name: 'passwd',
    kind: 'toggle',
    summary: 'Add the user to its passwd and group where they do not know it (default: true)',
  },
  {
    name: 'passwd-entry',
    kind: 'string',
    value: 'LINE',
    summary: 'The line that is added, with $USERNAME, $UID, $GID, $NAME, $HOME',
  },
  { name: 'group-entry', kind: 'string', value: 'LINE', summary: 'The same for its group' },
  { name: 'tz', kind: 'string', value: 'ZONE', summary: 'Time zone, such as Europe/Paris, or local' },
] as const satisfies readonly OptionSpec[];

export const deviceOptions = [
  {
    name: 'device',
    kind: 'list',
    value: 'HOST[:CONTAINER]',
    summary: 'Device of this host, or vendor.com/class=name of a CDI description',
  },
  { name: 'gpus', kind: 'string', value: 'WHICH', summary: 'all, or a list: the same as nvidia.com/gpu=…' },
  { name: 'cdi-spec-dir', kind: 'list', value: 'DIR', summary: 'Where CDI descriptions are' },
] as const satisfies readonly OptionSpec[];
