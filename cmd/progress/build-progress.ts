/** Chooses how a build is shown: a live display on terminals, numbered lines elsewhere, JSON, or nothing. */
import { isatty } from 'node:tty';
import type { BuildEvent } from '../../lib/index.js';
import { say, visible } from '../terminal/output.js';
import { FailureLog } from './failure-log.js';
import { jsonProgress } from './json-progress.js';
import { liveProgress } from './live-progress.js';
import { plainProgress } from './plain-progress.js';

export type ProgressMode = 'auto' | 'tty' | 'plain' | 'rawjson' | 'quiet';

/** A consumer of build events; `close` leaves the terminal as it was found and prints what is still owed. */
export type BuildProgress = {
  readonly onEvent: (event: BuildEvent) => void;
  readonly close: () => void;
};

/** The display for `mode`; `auto` is live when standard error is a terminal. */
export function buildProgress(mode: ProgressMode): BuildProgress {
  switch (mode) {
    case 'quiet':
      return quietProgress();
    case 'rawjson':
      return jsonProgress();
    case 'plain':
      return plainProgress();
    case 'tty':
      return liveProgress();
    case 'auto':
      return isatty(2) && process.env.TERM !== 'dumb' ? liveProgress() : plainProgress();
  }
}

/** Nothing but the end of a failed step's output, without which its error says little. */
function quietProgress(): BuildProgress {
  const failures = new FailureLog();
  return {
    onEvent: (event) => failures.onEvent(event),
    close: () => {
      for (const line of failures.blocks) say(visible(line));
    },
  };
}
