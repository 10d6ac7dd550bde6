/** `--pull`, in docker's spelling (true, false) and in podman's (a policy). */
import { CoracleError, type PullPolicy } from '../../lib/index.js';

/** The policy of a text; none given means missing. */
export function readPullPolicy(text: string | undefined): PullPolicy {
  switch (text) {
    case undefined:
    case 'missing':
    case 'ifmissing':
    case 'false':
      return 'missing';
    case 'always':
    case 'true':
      return 'always';
    case 'newer':
    case 'ifnewer':
      return 'newer';
    case 'never':
      return 'never';
    default:
      throw new CoracleError('USAGE', `invalid argument "${text}" for --pull`);
  }
}
