/** `doctor`: every check in the order a person would mend things. */
import { CoracleError } from '../errors.js';
import { checkCgroup } from './check-cgroup.js';
import { checkIds } from './check-ids.js';
import { checkKernel, checkProc, checkSeccomp, checkUserNamespaces } from './check-kernel.js';
import { checkNative } from './check-native.js';
import { checkNetwork, checkNetworkNamespace } from './check-network.js';
import { checkLinger, checkRuntimeDirectory } from './check-session.js';
import { checkDrivers, checkStore } from './check-storage.js';
import { type DoctorReport, type Finding, fail } from './report.js';
import type { Subject } from './subject.js';

type Check = readonly [id: string, check: (subject: Subject) => readonly Finding[]];

const first: readonly Check[] = [
  ['kernel', checkKernel],
  ['user-namespaces', checkUserNamespaces],
  ['store', checkStore],
];

/** Experiments inside of user namespaces: without those all would fail for one reason. */
const confined: readonly Check[] = [
  ['ids', checkIds],
  ['proc', checkProc],
  ['network-namespace', checkNetworkNamespace],
];

const last: readonly Check[] = [
  ['network', checkNetwork],
  ['seccomp', checkSeccomp],
  ['cgroup', checkCgroup],
  ['runtime-directory', checkRuntimeDirectory],
  ['linger', checkLinger],
];

/** Examines the host for the calling user. A check that cannot be made is a finding, not an error. */
export function examineHost(subject: Subject): DoctorReport {
  const findings = [...checkNative()];
  const go = (checks: readonly Check[]): void => {
    for (const [id, check] of checks) findings.push(...examine(id, () => check(subject)));
  };
  const fails = (...ids: readonly string[]): boolean =>
    findings.some(({ id, status }) => status === 'fail' && (ids.length === 0 || ids.includes(id)));
  if (!fails()) {
    go(first);
    if (!fails('user-namespaces')) go(confined);
    if (!fails('user-namespaces', 'store')) go([['drivers', checkDrivers]]);
    go(last);
  }
  return { findings, ready: !fails() };
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
