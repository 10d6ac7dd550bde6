/** `--security-opt`. Relative paths lie below `cwd`. */
import { posix } from 'node:path';
import { CoracleError } from '../errors.js';
import { selinuxIsOn } from '../host/selinux.js';
import type { SecurityOptions } from './run-options.js';

/** @throws UNSUPPORTED naming the option's text. */
export function parseSecurity(texts: readonly string[], cwd: string): SecurityOptions {
  let security: SecurityOptions = {};
  for (const text of texts) security = { ...security, ...parseOption(text, security, cwd) };
  return security;
}

function parseOption(text: string, before: SecurityOptions, cwd: string): SecurityOptions {
  const [, key = '', value = ''] = /^([^=:]+)(?:[=:](.*))?$/.exec(text) ?? [];
  if (key === 'no-new-privileges' && ['', 'true', 'false'].includes(value)) {
    return { noNewPrivileges: value !== 'false' };
  }
  // Without labels there is nothing to disable, and nothing to confine by what the host does not have.
  if (['label', 'apparmor'].includes(key) && ['disable', 'unconfined'].includes(value)) return {};
  if (value === '') throw unsupported(text);
  switch (key) {
    case 'label':
      return labelled(value, text);
    case 'systempaths':
      if (value !== 'unconfined') throw unsupported(text);
      return { unmask: ['ALL'] };
    case 'seccomp':
      return { seccomp: seccompChoice(value, cwd) };
    case 'mask':
      return { mask: [...(before.mask ?? []), ...value.split(':')] };
    case 'unmask':
      return { unmask: [...(before.unmask ?? []), ...value.split(':')] };
    case 'apparmor':
      return { apparmor: value };
    case 'proc-opts':
      return { procOptions: value.split(',').map((option) => checkProcOption(option, text)) };
    default:
      throw unsupported(text);
  }
}

/** A process has no label where the kernel knows none; where it does, ours are not given one. */
function labelled(value: string, text: string): SecurityOptions {
  if (!/^(?:nested|(?:user|role|type|level|filetype):.+)$/.test(value)) throw unsupported(text);
  if (!selinuxIsOn()) return {};
  throw new CoracleError(
    'UNSUPPORTED',
    `use security option "${text}": processes are given no SELinux label`,
    {
      hint: 'label=disable says so; the options z and Z label the files of volumes',
    },
  );
}

function unsupported(text: string): CoracleError {
  return new CoracleError('UNSUPPORTED', `use security option "${text}": not supported`, {
    hint: 'seccomp=FILE|unconfined, no-new-privileges, mask=PATHS, unmask=PATHS|ALL, systempaths=unconfined, proc-opts=hidepid=N,subset=pid, apparmor=PROFILE, label=disable',
  });
}

function checkProcOption(option: string, text: string): string {
  if (
    /^(?:hidepid=(?:[0124]|off|noaccess|invisible|ptraceable)|subset=pid|nosuid|nodev|noexec)$/.test(option)
  )
    return option;
  throw new CoracleError(
    'USAGE',
    `use security option "${text}": procfs has no option ${option} for containers`,
    {
      hint: 'hidepid=0|1|2|4, subset=pid',
    },
  );
}

function seccompChoice(value: string, cwd: string): NonNullable<SecurityOptions['seccomp']> {
  if (value === 'unconfined') return { kind: 'unconfined' };
  return value === 'default' || value === 'builtin'
    ? { kind: 'default' }
    : { kind: 'file', path: posix.resolve(cwd, value) };
}
