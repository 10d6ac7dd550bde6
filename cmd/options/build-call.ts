/** `build --call` and `--check`. */
import { type BuildRequest, type CheckReport, type Coracle, CoracleError } from '../../lib/index.js';
import { printLine, visible } from '../terminal/output.js';

const methods = ['check', 'outline', 'targets'] as const;

export type BuildCall = {
  readonly method: (typeof methods)[number];
  readonly format: 'text' | 'json';
  readonly ignoreStatus: boolean;
};

/** What `--call=METHOD[,format=json][,ignorestatus=true]` asks for; undefined for a build. @throws USAGE */
export function readCall(text: string | undefined, check: boolean): BuildCall | undefined {
  const [word = 'build', ...attributes] = (text ?? (check ? 'check' : 'build')).split(',');
  if (word === 'subrequests.describe')
    throw new CoracleError('UNSUPPORTED', `call ${word}: this version knows build, ${methods.join(', ')}`);
  const method = methods.find((one) => one === (word === 'lint' ? 'check' : word));
  if (method === undefined && word !== 'build') {
    const choice = `build, ${methods.join(', ')}`;
    throw new CoracleError('USAGE', `invalid argument "${word}" for --call: ${choice}`);
  }
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
  return method === undefined ? undefined : { method, ...call };
}

/** Carries a call out and prints its answer; the exit code. */
export async function answerCall(
  coracle: Pick<Coracle, 'checkBuild' | 'describeBuild'>,
  request: BuildRequest,
  call: BuildCall,
): Promise<number> {
  if (call.method === 'check') return printCheck(await coracle.checkBuild(request), call);
  const { text, json } = await coracle.describeBuild(request, call.method);
  printLine(call.format === 'json' ? JSON.stringify(json, null, 2) : visible(text).trimEnd());
  return 0;
}

/** Prints a report; the exit code, which is 1 where anything was found. */
function printCheck(report: CheckReport, call: BuildCall): number {
  if (call.format === 'json') printLine(JSON.stringify(report.json, null, 2));
  else if (report.text !== '') printLine(visible(report.text).trimEnd());
  if (report.error !== undefined) {
    const { code, message, excerpt = '', hint } = report.error;
    throw new CoracleError(code, message, { exitCode: 1, excerpt, ...(hint === undefined ? {} : { hint }) });
  }
  return report.warnings.length > 0 && !call.ignoreStatus ? 1 : 0;
}
