/** What the kernel must be and allow. */
import { probe } from '../native/probes.js';
import { sysctl, textOf } from './host-files.js';
import { idMapOf } from './id-map-of.js';
import { type Finding, fail, fine, warn } from './report.js';
import type { Subject } from './subject.js';

/** 5.12 brought mount attributes by descriptor, 5.13 overlay in user namespaces with user xattrs. */
export function checkKernel(): readonly Finding[] {
  const found = probe('kernel');
  const release = found.detail ?? 'unknown';
  if (found.works) return [fine('kernel', 'kernel', release)];
  return [
    fail('kernel', 'kernel', {
      detail: `${release} is older than 5.12`,
      consequence: 'containers need calls that it does not have',
      fix: 'install a newer kernel, e.g. apt-get install linux-image-amd64 from backports',
    }),
  ];
}

/** Whether an unprivileged user may make a user namespace, and if not, which of the usual locks is shut. */
export function checkUserNamespaces(): readonly Finding[] {
  const [id, title] = ['user-namespaces', 'user namespaces'];
  const found = probe('single-userns');
  if (found.works) return [fine(id, title, 'allowed')];
  const consequence = 'no container can be started without root';
  for (const { closed, detail, fix } of locks) {
    if (closed()) return [fail(id, title, { detail, consequence, fix })];
  }
  return [fail(id, title, { detail: found.reason ?? 'refused', consequence })];
}

const locks: readonly { closed(): boolean; readonly detail: string; readonly fix: string }[] = [
  {
    closed: () =>
      textOf('/proc/self/ns/user') === undefined && sysctl('user/max_user_namespaces') === undefined,
    detail: 'the kernel was built without them',
    fix: 'use a kernel with CONFIG_USER_NS=y',
  },
  {
    closed: () => sysctl('kernel/unprivileged_userns_clone') === '0',
    detail: 'kernel.unprivileged_userns_clone is 0',
    fix: 'as root: sysctl -w kernel.unprivileged_userns_clone=1 && echo kernel.unprivileged_userns_clone=1 > /etc/sysctl.d/99-coracle.conf',
  },
  {
    closed: () => sysctl('user/max_user_namespaces') === '0',
    detail: 'user.max_user_namespaces is 0',
    fix: 'as root: sysctl -w user.max_user_namespaces=15000 && echo user.max_user_namespaces=15000 > /etc/sysctl.d/99-coracle.conf',
  },
  {
    closed: () => sysctl('kernel/apparmor_restrict_unprivileged_userns') === '1',
    detail: 'kernel.apparmor_restrict_unprivileged_userns is 1',
    fix: 'as root: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 && echo kernel.apparmor_restrict_unprivileged_userns=0 > /etc/sysctl.d/99-coracle.conf',
  },
];

/** Filters of system calls. */
export function checkSeccomp(): readonly Finding[] {
  const found = probe('seccomp');
  if (found.works) return [fine('seccomp', 'system call filter', 'available')];
  return [
    fail('seccomp', 'system call filter', {
      detail: found.reason ?? 'not available',
      consequence: 'containers cannot be confined: they start with --security-opt seccomp=unconfined only',
      fix: 'use a kernel with CONFIG_SECCOMP_FILTER=y',
    }),
  ];
}

/** A new /proc is refused where the outer one has parts hidden, as in many containers. */
export function checkProc(subject: Subject): readonly Finding[] {
  const found = probe('proc', [], idMapOf(subject));
  if (found.works) return [fine('proc', '/proc in containers', 'a new one each')];
  return [
    warn('proc', '/proc in containers', {
      detail: `a new one is refused (${found.reason})`,
      consequence: 'containers get the outer one with masks: they see process numbers of outside',
      fix: 'where this host is a container itself: start that one with its /proc unmasked (--security-opt unmask=/proc/* or systempaths=unconfined)',
    }),
  ];
}
