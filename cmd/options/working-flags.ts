/** The options of `working from` and `run` about the sandbox of commands. `from`'s hold for every command. */
import type { WorkingTexts } from '../../lib/index.js';
import type { OptionSpec, RawValues } from '../command.js';
import { cgroupOptions, limitOptions } from './limits.js';

export const workingSandboxOptions = [
  {
    name: 'volume',
    short: 'v',
    kind: 'list',
    value: 'SOURCE:DIR[:OPTIONS]',
    summary: 'Directory or file of this host that commands see',
  },
  {
    name: 'network',
    kind: 'list',
    value: 'MODE|NAME',
    summary: 'none, host, pasta, slirp4netns, or a network of network create',
  },
  { name: 'cap-add', kind: 'list', value: 'CAPABILITY', summary: 'Give a capability, or ALL' },
  { name: 'cap-drop', kind: 'list', value: 'CAPABILITY', summary: 'Take one away, or ALL' },
] as const satisfies readonly OptionSpec[];

export const workingHostOptions = [
  { name: 'add-host', kind: 'list', value: 'NAME:ADDRESS', summary: 'Line of /etc/hosts' },
  { name: 'dns', kind: 'list', value: 'ADDRESS', summary: 'Name server' },
  { name: 'dns-search', kind: 'list', value: 'DOMAIN', summary: 'Search domain' },
  { name: 'dns-option', kind: 'list', value: 'OPTION', summary: 'Option of resolv.conf' },
  { name: 'security-opt', kind: 'list', value: 'OPTION', summary: 'As of coracle build' },
  { name: 'ulimit', kind: 'list', value: 'NAME=SOFT[:HARD]', summary: 'Resource limit' },
  { name: 'shm-size', kind: 'list', value: 'SIZE', summary: 'Size of /dev/shm (default: 64m)' },
  { name: 'group-add', kind: 'list', value: 'GROUP', summary: 'Further group of the process' },
  ...limitOptions,
  ...cgroupOptions.filter(({ name }) => name === 'cgroup-parent'),
] as const satisfies readonly OptionSpec[];

/** The given ones of these options, as texts. */
export function workingTexts(values: RawValues): WorkingTexts {
  const names = [...workingSandboxOptions, ...workingHostOptions].map(({ name }) => name);
  return Object.fromEntries(
    names.flatMap((name) => {
      const texts = values[name];
      const given = Array.isArray(texts) ? texts : texts === undefined || texts === false ? [] : [texts];
      return given.length > 0 ? [[name, given.map(String)]] : [];
    }),
  );
}

/** What buildah's options about namespaces and limits are refused with. */
export const refusedOfWorking = {
  'each command has namespaces of its own, with the ids of your user and its ranges in /etc/subuid':
    'userns userns-uid-map userns-gid-map userns-uid-map-user userns-gid-map-group pid ipc uts cgroupns',
  'commands get no devices': 'device',
  'the runtime is built in': 'runtime runtime-flag cni-config-dir cni-plugin-path',
};

/** BUILDAH_HISTORY is what scripts set. */
export function addsHistory(flag: boolean): boolean {
  return flag || /^(1|true|yes|on)$/i.test(process.env.BUILDAH_HISTORY ?? '');
}
