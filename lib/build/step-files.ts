/** The files of one COPY or ADD, wherever they come from: the context, a stage, an image, a URL, a git repository. */
import { posix } from 'node:path';
import type { Match } from './context-tree.js';
import type { CopySource } from './copy-source.js';
import type { CopyOrigin } from './copy-step.js';
import { EntryRules } from './entry-filter.js';
import { hasWildcards } from './glob.js';
import type { CopyStep, StepSource } from './plan.js';
import type { RemoteFiles, RemoteSource } from './remote-sources.js';
import type { BuildSession } from './session.js';

/** One thing to copy. */
export type Found = { readonly tree: CopySource; readonly match: Match; readonly rules: EntryRules };

type PathSource = Extract<StepSource, { kind: 'path' }>;

export class StepFiles {
  readonly #session: BuildSession;
  readonly #step: CopyStep;
  readonly #origin: CopyOrigin;
  #tree: Promise<CopySource> | undefined;

  constructor(session: BuildSession, step: CopyStep, origin: CopyOrigin) {
    this.#session = session;
    this.#step = step;
    this.#origin = origin;
  }

  /** Inputs by content: names and digests of everything that is copied. */
  async inputs(): Promise<Readonly<Record<string, string>>> {
    const inputs: Record<string, string> = {};
    for (const [index, source] of this.#step.sources.entries()) {
      const name = `source:${index}:${nameOf(source)}`;
      if (source.kind !== 'path') {
        const { excludes } = this.#step;
        inputs[name] = JSON.stringify([(await this.#remote(source)).identity, ...excludes]);
        continue;
      }
      for (const { tree, match, rules } of await this.#paths(source)) {
        const shown = match.isDirectory ? '' : match.name;
        inputs[`${name}:${match.path}`] = `${shown} ${source.unpack} ${await tree.digest(match, rules)}`;
      }
    }
    return inputs;
  }

  /** What one source names; fetched if it is elsewhere. @throws NOT_FOUND, NETWORK, INTEGRITY */
  async matches(source: StepSource): Promise<readonly Found[]> {
    if (source.kind === 'path') return this.#paths(source);
    const { tree, match } = await (await this.#remote(source)).open();
    const rules = new EntryRules({ excludes: this.#step.excludes });
    return match.isDirectory || rules.takesFile(utf8(match.name)) ? [{ tree, match, rules }] : [];
  }

  async #paths({ pattern, include }: PathSource): Promise<readonly Found[]> {
    const { excludes } = this.#step;
    const tree = await this.#open();
    const rules = new EntryRules(include === undefined ? { excludes } : { excludes, include });
    if (include !== undefined) await requirePath(tree, pattern, include);
    const matches = await tree.expand(pattern);
    return matches
      .filter((match) => match.isDirectory || (include === undefined && rules.takesFile(utf8(match.name))))
      .map((match) => ({ tree, match, rules }));
  }

  #remote(source: RemoteSource): Promise<RemoteFiles> {
    const { onEvent, remotes } = this.#session;
    const step = this.#step.id;
    return remotes.files(source, (id, current, total) =>
      onEvent({
        kind: 'progress',
        step,
        id,
        current,
        ...(total === undefined ? {} : { total }),
        time: Date.now(),
      }),
    );
  }

  #open(): Promise<CopySource> {
    this.#tree ??= this.#openOrigin();
    return this.#tree;
  }

  async #openOrigin(): Promise<CopySource> {
    const origin = this.#origin;
    switch (origin.kind) {
      case 'context':
        return this.#session.context(this.#step);
      case 'tree':
        return origin.tree;
      case 'files':
        return this.#session.files(await origin.top());
    }
  }
}

/** As it stands in messages and keys. */
export function nameOf(source: StepSource): string {
  if (source.kind === 'url') return source.url;
  if (source.kind === 'git') return source.repository.remote;
  const { pattern, include } = source;
  return include === undefined ? pattern : `${pattern}/./${include}`;
}

/** With --parents a path without wildcards must be there. */
async function requirePath(tree: CopySource, pattern: string, include: string): Promise<void> {
  const path = posix.join(pattern, include);
  if (!hasWildcards(path)) await tree.expand(path);
}

function utf8(latin1: string): string {
  return Buffer.from(latin1, 'latin1').toString();
}
