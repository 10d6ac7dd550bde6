/** `--progress rawjson`: one SolveStatus object a line, in the shape `docker buildx build --progress rawjson` prints. */
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

function digestOf(id: string): string {
  return id.startsWith('sha256:') ? id : `sha256:${id}`;
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
  return {
    level: 1,
    short: Buffer.from(event.rule === undefined ? event.message : `${event.rule}: ${event.message}`).toString(
      'base64',
    ),
    ...(event.range === undefined
      ? {}
      : { range: [{ start: { line: event.range.startLine }, end: { line: event.range.endLine } }] }),
  };
}
