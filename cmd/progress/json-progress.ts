/** `--progress rawjson`: one SolveStatus object a line, in the shape `docker buildx build --progress rawjson` prints. */
import { createHash } from 'node:crypto';
import type { BuildEvent, BuildStep } from '../../lib/index.js';
import { say } from '../terminal/output.js';
import type { BuildProgress } from './build-progress.js';

/** Prints each event as a JSON line on standard error. */
export function jsonProgress(): BuildProgress {
  const steps = new Map<string, BuildStep>();
  const started = new Map<string, number>();

  const vertex = (id: string, fields: Record<string, unknown>): void => {
    const step = steps.get(id);
    const begun = started.get(id);
    say(
      JSON.stringify({
        vertexes: [
          {
            digest: digestOf(id),
            inputs: (step?.inputs ?? []).map(digestOf),
            name: step?.name ?? id,
            ...(begun === undefined ? {} : { started: timestamp(begun) }),
            ...fields,
          },
        ],
      }),
    );
  };

  const onEvent = (event: BuildEvent): void => {
    switch (event.kind) {
      case 'planned':
        for (const step of event.steps) {
          steps.set(step.id, step);
          vertex(step.id, {});
        }
        return;
      case 'started':
        started.set(event.step, event.time);
        return vertex(event.step, {});
      case 'cached':
        return vertex(event.step, {
          started: timestamp(event.time),
          completed: timestamp(event.time),
          cached: true,
        });
      case 'done':
        return vertex(event.step, { completed: timestamp(event.time) });
      case 'failed':
        return vertex(event.step, { completed: timestamp(event.time), error: event.reason });
      case 'log':
        return say(JSON.stringify({ logs: [logOf(event)] }));
      case 'progress':
        return say(JSON.stringify({ statuses: [statusOf(event)] }));
      case 'warning':
        return say(JSON.stringify({ warnings: [warningOf(event)] }));
    }
  };
  return { onEvent, close: () => undefined };
}

/** Steps without a digest of their own, as the export, get that of their name. */
function digestOf(id: string): string {
  if (/^sha256:[0-9a-f]{64}$/.test(id)) return id;
  if (/^[0-9a-f]{64}$/.test(id)) return `sha256:${id}`;
  return `sha256:${createHash('sha256').update(id).digest('hex')}`;
}

function timestamp(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

type Of<K extends BuildEvent['kind']> = Extract<BuildEvent, { kind: K }>;

function logOf(event: Of<'log'>): object {
  return {
    vertex: digestOf(event.step),
    stream: event.stream,
    data: Buffer.from(event.data).toString('base64'),
    timestamp: timestamp(event.time),
  };
}

function statusOf(event: Of<'progress'>): object {
  return {
    id: event.id,
    vertex: digestOf(event.step),
    current: event.current,
    ...(event.total === undefined ? {} : { total: event.total }),
    timestamp: timestamp(event.time),
  };
}

function warningOf(event: Of<'warning'>): object {
  const { rule, message, description, url, range, source } = event;
  const text = rule === undefined ? message : `${rule}: ${message}`;
  const short = rule === undefined || range === undefined ? text : `${text} (line ${range.startLine})`;
  return {
    level: 1,
    short: base64(short),
    ...(description === undefined ? {} : { detail: [base64(description)] }),
    ...(url === undefined ? {} : { url }),
    ...(source === undefined
      ? {}
      : {
          sourceInfo: {
            filename: source.name,
            data: base64(source.lines.join('\n')),
            language: 'Dockerfile',
          },
        }),
    ...(range === undefined
      ? {}
      : { range: [{ start: { line: range.startLine }, end: { line: range.endLine } }] }),
  };
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
