/** `doctor`: every check in the order a person would mend things. */
import { CoracleError } from '../errors.js';
import { checkIds } from './check-ids.js';
import { checkKernel, checkProc, checkSeccomp, checkUserNamespaces } from './check-kernel.js';
import { checkNative } from './check-native.js';
import { checkNetwork } from './check-network.js';
import { checkCgroup, checkLinger, checkRuntimeDirectory } from './check-session.js';
import { checkStorage } from './check-storage.js';
import { type DoctorReport, type Finding, fail } from './report.js';
import type { Subject } from './subject.js';

type Check = readonly [id: string, check: (subject: Subject) => readonly Finding[]];

const checks: readonly Check[] = [
  ['kernel', checkKernel],
  ['user-namespaces', checkUserNamespaces],
  ['ids', checkIds],
  ['seccomp', checkSeccomp],
  ['proc', checkProc],
  ['storage', checkStorage],
  ['network', checkNetwork],
  ['cgroup', checkCgroup],
  ['runtime-directory', checkRuntimeDirectory],
  ['linger', checkLinger],
];

/** Examines the host for the calling user. A check that cannot be made is a finding, not an error. */
export function examineHost(subject: Subject): DoctorReport {
  const native = checkNative();
  const findings = native.some(({ status }) => status === 'fail')
    ? native
    : [...native, ...checks.flatMap(([id, check]) => examine(id, () => check(subject)))];
  return { findings, ready: findings.every(({ status }) => status !== 'fail') };
}

function examine(id: string, check: () => readonly Finding[]): readonly Finding[] {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof CoracleError)) throw error;
    const { message, hint } = error;
    const consequence = 'this could not be examined';
    return [fail(id, id, { detail: message, consequence, ...(hint === undefined ? {} : { fix: hint }) })];
  }
}
