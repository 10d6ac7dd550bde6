/** What `doctor` finds. */

/** One ability of this host. */
export type Finding = {
  /** Stable name for scripts. */
  readonly id: string;
  /** A few words for people. */
  readonly title: string;
  /** ok: as it should be · warn: something works less well · fail: containers cannot run. */
  readonly status: 'ok' | 'warn' | 'fail';
  /** What was found. */
  readonly detail: string;
  /** What follows from it, where it is not ok. */
  readonly consequence?: string;
  /** The command that mends it, where there is one. */
  readonly fix?: string;
};

export type DoctorReport = {
  readonly findings: readonly Finding[];
  /** Nothing fails. */
  readonly ready: boolean;
};

/** A finding that is as it should be. */
export function fine(id: string, title: string, detail: string): Finding {
  return { id, title, status: 'ok', detail };
}

type Trouble = { readonly detail: string; readonly consequence: string; readonly fix?: string };

/** Something works less well. */
export function warn(id: string, title: string, trouble: Trouble): Finding {
  return { id, title, status: 'warn', ...trouble };
}

/** Containers cannot run. */
export function fail(id: string, title: string, trouble: Trouble): Finding {
  return { id, title, status: 'fail', ...trouble };
}
