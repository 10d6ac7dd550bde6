/** `build --call` and `--check`. */
import { type CheckReport, CoracleError } from '../../lib/index.js';
import { printLine, visible } from '../terminal/output.js';

export type BuildCall = { readonly format: 'text' | 'json'; readonly ignoreStatus: boolean };

/** What `--call=METHOD[,format=json][,ignorestatus=true]` asks for; undefined for a build. @throws USAGE */
export function readCall(text: string | undefined, check: boolean): BuildCall | undefined {
  const [method = 'build', ...attributes] = (text ?? (check ? 'check' : 'build')).split(',');
  if (method === 'outline' || method === 'targets' || method === 'subrequests.describe') {
    throw new CoracleError('UNSUPPORTED', `call ${method}: this version only knows build and check`);
  }
  if (method !== 'build' && method !== 'check' && method !== 'lint')
    throw new CoracleError('USAGE', `invalid argument "${method}" for --call: build or check`);
  const call = { format: 'text' as BuildCall['format'], ignoreStatus: false };
  for (const attribute of attributes) {
    if (attribute === 'format=json') call.format = 'json';
    else if (attribute === 'format=text') call.format = 'text';
    else if (/^ignorestatus=(true|false)$/.test(attribute)) call.ignoreStatus = attribute.endsWith('true');
    else
      throw new CoracleError(
        'USAGE',
        `invalid argument "${attribute}" for --call: format=json or ignorestatus=true`,
      );
  }
  return method === 'build' ? undefined : call;
}

/** Prints a report; the exit code, which is 1 where anything was found. */
export function printCheck(report: CheckReport, call: BuildCall): number {
  if (call.format === 'json') printLine(JSON.stringify(report.json, null, 2));
  else if (report.text !== '') printLine(visible(report.text).trimEnd());
  if (report.error !== undefined) {
    const { code, message, excerpt = '', hint } = report.error;
    throw new CoracleError(code, message, { exitCode: 1, excerpt, ...(hint === undefined ? {} : { hint }) });
  }
  return report.warnings.length > 0 && !call.ignoreStatus ? 1 : 0;
}
