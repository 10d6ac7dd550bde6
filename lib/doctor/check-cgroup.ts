/** Which limits hold here: the controllers of cgroup version 2 that are delegated to the user. */
import { type CgroupFacts, controllersOf, limitsDirectory, readCgroupFacts } from '../host/cgroup.js';
import { absence, absenceFix, noManager } from '../sandbox/cgroup-place.js';
import { type Finding, fine, warn } from './report.js';
import type { Subject } from './subject.js';

/** What flags need, with what of them goes without. */
const consequences: Readonly<Record<string, string>> = {
  cpu: '--cpus, --cpu-shares, --cpu-quota',
  cpuset: '--cpuset-cpus, --cpuset-mems',
  io: '--blkio-weight, --device-read-bps and the like',
  memory: '--memory, --memory-swap, --memory-reservation',
  pids: '--pids-limit',
};

export function checkCgroup({ env }: Subject): readonly Finding[] {
  return [cgroupFinding(readCgroupFacts(env))];
}

/** Limits are all that depends on it. */
export function cgroupFinding(facts: CgroupFacts): Finding {
  const [id, title] = ['cgroup', 'cgroup v2 delegation'];
  const { manager } = facts;
  const place = limitsDirectory(facts);
  if (place === undefined) {
    const { text, hint } = noManager(facts);
    const consequence = `limits are not applied: ${Object.values(consequences).join(', ')}`;
    return warn(id, title, { detail: text, consequence, fix: hint });
  }
  const given = controllersOf(place);
  const gone = Object.keys(consequences).filter((name) => !given.includes(name));
  const by = manager === undefined ? `in ${place}` : "by the user's systemd";
  if (gone.length === 0) return fine(id, title, `${given.join(', ')}, ${by}`);
  return warn(id, title, {
    detail: `${absence(gone, facts)}; ${given.length === 0 ? 'none' : given.join(', ')} ${by}`,
    consequence: `limits that are not applied: ${gone.map((name) => consequences[name]).join(', ')}`,
    fix: absenceFix(gone, place, facts),
  });
}
