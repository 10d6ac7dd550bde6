/** How the archive of a layer is put together: from files that are here already, and from ranges of the blob. Pure. */
import type { ChunkedFile, ChunkedLayout } from './layout.js';

/** A piece of the archive: bytes at hand, a file of the store, or a range of the blob that is decompressed. */
export type Part =
  | { readonly kind: 'literal'; readonly bytes: Buffer }
  | { readonly kind: 'local'; readonly file: ChunkedFile }
  | { readonly kind: 'remote'; readonly start: number; readonly end: number };

/** The parts in order, and how many bytes of the blob they need. */
export type Plan = { readonly parts: readonly Part[]; readonly fetched: number; readonly ranges: number };

export type PlanOptions = {
  readonly isLocal: (file: ChunkedFile) => boolean;
  /** Files between two ranges are fetched along with them when they are this small together: a request costs more. */
  readonly gap: number;
  /** The most ranges; with more the gap grows. */
  readonly ranges: number;
};

/** Plans an archive. */
export function planArchive(layout: ChunkedLayout, options: PlanOptions): Plan {
  for (let gap = options.gap; ; gap *= 2) {
    const plan = planOnce(layout, localFiles(layout, { ...options, gap }));
    if (plan.ranges <= options.ranges) return plan;
  }
}

/** Which files are taken from the store. */
function localFiles(layout: ChunkedLayout, { isLocal, gap }: PlanOptions): readonly boolean[] {
  const { files } = layout;
  const local = files.map(isLocal);
  for (let at = 0; at < files.length; ) {
    let next = at;
    while (local[next] === true && next < files.length) next++;
    if (next === at) {
      at++;
      continue;
    }
    const bytes = (files[next - 1]?.end ?? 0) - (files[at]?.start ?? 0);
    // at the ends of an archive whose other bytes are at hand, nothing is fetched beside them
    const beside = layout.literals === undefined || (at > 0 && next < files.length);
    if (beside && bytes < gap) local.fill(false, at, next);
    // each file has a range before and after it where the headers are in the blob alone
    else if (layout.literals === undefined) {
      for (let one = at; one < next; one++) {
        const file = files[one];
        if (file !== undefined && file.end - file.start < gap) local[one] = false;
      }
    }
    at = next;
  }
  return local;
}

function planOnce(layout: ChunkedLayout, local: readonly boolean[]): Plan {
  const parts: Part[] = [];
  const { files, literals, trailing, end } = layout;
  // headers that precede the first file are in the blob of every format
  if (literals === undefined || trailing) range(parts, 0, files[0]?.start ?? end);
  for (const [index, file] of files.entries()) {
    const here = local[index] === true;
    const fetchedBefore = index > 0 && local[index - 1] !== true;
    const next = files[index + 1]?.start ?? end;
    // a range holds what follows its file where the format has it so, and what lies before another one
    const known = index === 0 ? trailing : fetchedBefore && (trailing || !here);
    if (!known) literal(parts, literals?.[index]);
    if (here) parts.push({ kind: 'local', file });
    if (here && literals === undefined) range(parts, file.end, next);
    if (!here) range(parts, file.start, trailing || literals === undefined ? next : file.end);
  }
  if (!trailing || local.at(-1) === true) literal(parts, literals?.[files.length]);
  return {
    parts,
    fetched: fetchedBytes(parts),
    ranges: parts.filter(({ kind }) => kind === 'remote').length,
  };
}

function literal(parts: Part[], bytes: Buffer | undefined): void {
  if (bytes !== undefined && bytes.length > 0) parts.push({ kind: 'literal', bytes });
}

/** Adds a range, as a part of the one before where nothing lies between. */
function range(parts: Part[], start: number, end: number): void {
  const last = parts.at(-1);
  if (end <= start) return;
  if (last?.kind === 'remote') parts[parts.length - 1] = { kind: 'remote', start: last.start, end };
  else parts.push({ kind: 'remote', start, end });
}

function fetchedBytes(parts: readonly Part[]): number {
  return parts.reduce((sum, part) => sum + (part.kind === 'remote' ? part.end - part.start : 0), 0);
}
