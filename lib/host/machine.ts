/** This machine, as the kernel and /etc tell of it. */
import { readFileSync } from 'node:fs';
import { cpus, freemem, hostname, release, totalmem, uptime } from 'node:os';
import { hostPlatform } from '../oci/platform.js';
import { readBytes } from './files.js';
import { type Distribution, parseOsRelease } from './os-release.js';

export type Machine = {
  readonly hostname: string;
  readonly kernel: string;
  /** As images name it: `amd64`. */
  readonly arch: string;
  readonly cpus: number;
  /** Bytes, of these too. */
  readonly memTotal: number;
  readonly memFree: number;
  readonly swapTotal: number;
  readonly swapFree: number;
  /** Seconds. */
  readonly uptime: number;
  readonly distribution: Distribution | undefined;
};

/** What it is now. */
export function readMachine(): Machine {
  const memory = readFileSync('/proc/meminfo', 'latin1');
  return {
    hostname: hostname(),
    kernel: release(),
    arch: hostPlatform().architecture,
    cpus: cpus().length,
    memTotal: totalmem(),
    memFree: freemem(),
    swapTotal: kibibytes(memory, 'SwapTotal'),
    swapFree: kibibytes(memory, 'SwapFree'),
    uptime: uptime(),
    distribution: parseOsRelease(readText('/etc/os-release') || readText('/usr/lib/os-release')),
  };
}

function readText(path: string): string {
  return readBytes(path)?.toString() ?? '';
}

function kibibytes(memory: string, name: string): number {
  const found = new RegExp(`^${name}: +(\\d+) kB$`, 'm').exec(memory)?.[1];
  return Number(found ?? 0) * 1024;
}
