/** The command line of the bench: which cases, how many rounds, where the results go. */
import { parseArgs } from 'node:util';

/** How much each case does. */
export type Scale = {
  /** Rounds of cases that last well under a second. */
  readonly rounds: number;
  /** Rounds of cases that move many files or bytes. */
  readonly slowRounds: number;
  readonly steps: number;
  readonly files: number;
  /** Files of a context that does not change. */
  readonly context: number;
  readonly megabytes: number;
  readonly containers: number;
  readonly images: number;
};

export type BenchOptions = {
  /** Names of cases; empty means all. */
  readonly only: readonly string[];
  readonly scale: Scale;
  readonly output: string | undefined;
  readonly json: string | undefined;
  readonly help: boolean;
};

export const usage = `usage: npm run bench -- [options]

  --rounds N      rounds after the warm-up (default 15; a third of it for slow cases)
  --only NAME     only this case; may be repeated
  --quick         few rounds of smaller cases: does everything still work?
  --output FILE   also write the Markdown there
  --json FILE     write all samples there
`;

const full = {
  rounds: 15,
  steps: 20,
  files: 20_000,
  context: 50_000,
  megabytes: 1024,
  containers: 20,
  images: 1000,
} as const;
const quick = {
  rounds: 3,
  steps: 5,
  files: 1000,
  context: 2000,
  megabytes: 128,
  containers: 3,
  images: 20,
} as const;

/** @throws Error naming the option that is unknown or has a bad value, and cases not in `names`. */
export function parseBenchOptions(argv: readonly string[], names: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      rounds: { type: 'string' },
      only: { type: 'string', multiple: true, default: [] },
      quick: { type: 'boolean', default: false },
      output: { type: 'string' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const unknown = values.only.find((name) => !names.includes(name));
  if (unknown !== undefined) throw new Error(`choose case ${unknown}: not one of ${names.join(', ')}`);
  const size = values.quick ? quick : full;
  const rounds = parseRounds(values.rounds) ?? size.rounds;
  return {
    only: values.only,
    scale: { ...size, rounds, slowRounds: Math.ceil(rounds / 3) },
    output: values.output,
    json: values.json,
    help: values.help,
  };
}

function parseRounds(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new Error(`read --rounds ${text}: not a number from 1 to 9999`);
  return Number(text);
}
