/** `doctor`: every check in the order a person would mend things. */
import { CoracleError } from '../errors.js';
import { checkIds } from './check-ids.js';
import { checkKernel, checkProc, checkSeccomp, checkUserNamespaces } from './check-kernel.js';
import { checkNative } from './check-native.js';
import { checkNetwork, checkNetworkNamespace } from './check-network.js';
import { checkCgroup, checkLinger, checkRuntimeDirectory } from './check-session.js';
import { checkDrivers, checkStore } from './check-storage.js';
import { type DoctorReport, type Finding, fail } from './report.js';
import type { Subject } from './subject.js';

type Check = readonly [id: string, check: (subject: Subject) => readonly Finding[]];

const first: readonly Check[] = [
  ['kernel', checkKernel],
  ['user-namespaces', checkUserNamespaces],
];

/** Experiments inside of user namespaces: without those all would fail for one reason. */
const confined: readonly Check[] = [
  ['ids', checkIds],
  ['proc', checkProc],
  ['drivers', checkDrivers],
  ['network-namespace', checkNetworkNamespace],
];

const last: readonly Check[] = [
  ['seccomp', checkSeccomp],
  ['store', checkStore],
  ['network', checkNetwork],
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
  const fails = (): boolean => findings.some(({ status }) => status === 'fail');
  if (!fails()) {
    go(first);
    if (!fails()) go(confined);
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
