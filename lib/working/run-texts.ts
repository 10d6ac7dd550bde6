/** Flags of `working from` and `run` as settings of the command's sandbox: those of the container first, the command's own on top. */
import type { RunSettings } from '../build/run-settings.js';
import { parseNetwork, parseRunFlags } from '../container/run-flags.js';
import { CoracleError } from '../errors.js';
import type { NetworkMode } from '../network/network-plan.js';
import { parseSize } from '../sandbox/sizes.js';
import type { WorkingTexts } from './record.js';

/** The flags that a working container keeps. */
export const workingFlags = [
  'volume',
  'network',
  'add-host',
  'dns',
  'dns-search',
  'dns-option',
  'cap-add',
  'cap-drop',
  'security-opt',
  'ulimit',
  'shm-size',
  'group-add',
] as const;

export type WorkingSettings = RunSettings & { readonly network?: NetworkMode | undefined };

/** @throws USAGE or UNSUPPORTED naming the flag's text. */
export function readTexts(kept: WorkingTexts, own: WorkingTexts, cwd: string): WorkingSettings {
  const all = (name: (typeof workingFlags)[number]): readonly string[] => [
    ...(kept[name] ?? []),
    ...(own[name] ?? []),
  ];
  const { mounts, extraHosts, dns, security, ulimits, network } = parseRunFlags(
    {
      volume: all('volume'),
      addHost: all('add-host'),
      dns: all('dns'),
      securityOpt: all('security-opt'),
      ulimit: all('ulimit'),
    },
    { cwd, env: {} },
  );
  const volume = (mounts ?? []).findIndex(({ type }) => type !== 'bind');
  if (volume >= 0) {
    throw new CoracleError(
      'UNSUPPORTED',
      `use volume "${all('volume')[volume]}": working containers have no named volumes`,
      { hint: 'give a path that begins with / or ./' },
    );
  }
  const size = all('shm-size').at(-1);
  const mode = all('network').at(-1);
  return {
    ...{ mounts, extraHosts, dns, security, ulimits },
    ...(mode === undefined ? { network } : parseNetwork(mode)),
    dnsSearch: all('dns-search'),
    dnsOptions: all('dns-option'),
    shmSize: size === undefined ? undefined : parseSize(size, '--shm-size'),
    capabilityAdd: all('cap-add').flatMap((text) => text.split(',')),
    capabilityDrop: all('cap-drop').flatMap((text) => text.split(',')),
    groups: all('group-add'),
  };
}

/** Texts that mean the same wherever they are read later: relative paths become absolute. */
export function fixTexts(texts: WorkingTexts, cwd: string): WorkingTexts {
  const { volume = [], ...rest } = texts;
  const fixed = volume.map((text) => (text === '.' || /^\.\.?[/:]/.test(text) ? `${cwd}/${text}` : text));
  const kept = { ...rest, ...(fixed.length === 0 ? {} : { volume: fixed }) };
  return Object.fromEntries(Object.entries(kept).filter(([, values]) => values.length > 0));
}
