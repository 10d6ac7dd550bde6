/** Capability names and numbers, and the set a container gets. capabilities(7). */
import { CoracleError } from '../errors.js';

/** Names without `CAP_`, in the order of their numbers. */
const names = [
  'CHOWN',
  'DAC_OVERRIDE',
  'DAC_READ_SEARCH',
  'FOWNER',
  'FSETID',
  'KILL',
  'SETGID',
  'SETUID',
  'SETPCAP',
  'LINUX_IMMUTABLE',
  'NET_BIND_SERVICE',
  'NET_BROADCAST',
  'NET_ADMIN',
  'NET_RAW',
  'IPC_LOCK',
  'IPC_OWNER',
  'SYS_MODULE',
  'SYS_RAWIO',
  'SYS_CHROOT',
  'SYS_PTRACE',
  'SYS_PACCT',
  'SYS_ADMIN',
  'SYS_BOOT',
  'SYS_NICE',
  'SYS_RESOURCE',
  'SYS_TIME',
  'SYS_TTY_CONFIG',
  'MKNOD',
  'LEASE',
  'AUDIT_WRITE',
  'AUDIT_CONTROL',
  'SETFCAP',
  'MAC_OVERRIDE',
  'MAC_ADMIN',
  'SYSLOG',
  'WAKE_ALARM',
  'BLOCK_SUSPEND',
  'AUDIT_READ',
  'PERFMON',
  'BPF',
  'CHECKPOINT_RESTORE',
];

/** What a container gets unless told otherwise: enough to install packages and drop privileges, nothing of the host. */
const defaults =
  'CHOWN DAC_OVERRIDE FOWNER FSETID KILL NET_BIND_SERVICE SETFCAP SETGID SETPCAP SETUID SYS_CHROOT'.split(
    ' ',
  );

/** The default set's numbers, ascending. */
export function defaultCapabilities(): readonly number[] {
  return ascending(defaults.map(numberOf));
}

/** Every capability this version knows. */
export function allCapabilities(): readonly number[] {
  return names.map((_, number) => number);
}

/**
 * The default set changed by `add` and `drop` as podman reads them: names in any case, `CAP_` optional, `ALL` for
 * every one. What is added by name survives `drop ALL`; what is dropped by name survives `add ALL` as dropped.
 * @throws USAGE for an unknown name, for one both added and dropped, for ALL in both.
 */
export function chooseCapabilities(add: readonly string[], drop: readonly string[]): readonly number[] {
  const [added, dropped] = [add.map(normalize), drop.map(normalize)];
  const both = added.find((name) => dropped.includes(name));
  if (both !== undefined)
    throw new CoracleError('USAGE', `choose capabilities: ${both} is both added and dropped`);
  if (dropped.includes('ALL')) return ascending(added.map(numberOf));
  const base = added.includes('ALL') ? allCapabilities() : defaultCapabilities();
  const removed = dropped.map(numberOf);
  const wanted = [...base, ...added.filter((name) => name !== 'ALL').map(numberOf)];
  return ascending(wanted.filter((number) => !removed.includes(number)));
}

/** `CAP_CHOWN` for 0 and so on. */
export function capabilityName(number: number): string {
  return `CAP_${names[number] ?? number}`;
}

/** The number of a name with or without `CAP_`. @throws USAGE when there is none. */
export function capabilityNumber(name: string): number {
  return numberOf(normalize(name));
}

function normalize(text: string): string {
  return text.toUpperCase().replace(/^CAP_/, '');
}

function numberOf(name: string): number {
  const number = names.indexOf(name);
  if (number >= 0) return number;
  throw new CoracleError('USAGE', `choose capabilities: unknown capability "${name}"`, {
    hint: `known: ALL ${names.join(' ')}`,
  });
}

function ascending(numbers: readonly number[]): readonly number[] {
  return [...new Set(numbers)].sort((a, b) => a - b);
}
