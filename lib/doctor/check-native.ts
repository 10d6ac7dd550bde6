/** The native programs are there and start. */
import { CoracleError } from '../errors.js';
import { nativeDirectory } from '../native/location.js';
import { probe } from '../native/probes.js';
import { type Finding, fail, fine } from './report.js';

export function checkNative(): readonly Finding[] {
  const [id, title] = ['native', 'native programs'];
  try {
    probe('kernel');
    return [fine(id, title, nativeDirectory())];
  } catch (error) {
    if (!(error instanceof CoracleError)) throw error;
    return [
      fail(id, title, {
        detail: error.message,
        consequence: 'nothing can be run or built',
        fix: error.hint ?? 'npm run build:native',
      }),
    ];
  }
}
