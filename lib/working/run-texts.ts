/** Flags of `working from` and `run` as settings of the command's sandbox: those of the container first, the command's own on top. */
import type { RunSettings } from '../build/run-settings.js';
import { parseNetwork, parseRunFlags } from '../container/run-flags.js';
import { CoracleError } from '../errors.js';
import type { NetworkMode } from '../network/network-plan.js';
import { isListFlag, limitFlags, parseLimitFlags } from '../sandbox/limit-flags.js';
import { parseSize } from '../sandbox/sizes.js';
import type { WorkingTexts } from './record.js';

/** The limits among the flags, which it keeps too; of one that stands once the last word counts. */
function readLimits(
  all: (name: string) => readonly string[],
): Pick<RunSettings, 'limits' | 'cgroupParent' | 'requireLimits'> {
  const values = Object.fromEntries(
    limitFlags.flatMap((name) => {
      const texts = all(name);
      return texts.length === 0 ? [] : [[name, isListFlag(name) ? texts : texts.at(-1)] as const];
    }),
  );
  return {
    limits: parseLimitFlags(values),
    cgroupParent: all('cgroup-parent').at(-1),
    requireLimits: all('require-limits').length > 0,
  };
}

export type WorkingSettings = RunSettings & { readonly network?: NetworkMode | undefined };

/** @throws USAGE or UNSUPPORTED naming the flag's text. */
export function readTexts(kept: WorkingTexts, own: WorkingTexts, cwd: string): WorkingSettings {
  const all = (name: string): readonly string[] => [...(kept[name] ?? []), ...(own[name] ?? [])];
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
    ...readLimits(all),
  };
}

/** Texts that mean the same wherever they are read later: relative paths become absolute. */
export function fixTexts(texts: WorkingTexts, cwd: string): WorkingTexts {
  const { volume = [], ...rest } = texts;
  const fixed = volume.map((text) => (text === '.' || /^\.\.?[/:]/.test(text) ? `${cwd}/${text}` : text));
  const kept = { ...rest, ...(fixed.length === 0 ? {} : { volume: fixed }) };
  return Object.fromEntries(Object.entries(kept).filter(([, values]) => values.length > 0));
}
