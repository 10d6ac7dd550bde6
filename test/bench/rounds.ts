/** Takes the turns: a warm-up, then rounds in which every contender plays once, the order reversed each time. */
import type { Contender } from './case.js';

/** Values by contender and measure: `samples.get('podman')?.get('run')`. */
export type Samples = ReadonlyMap<string, ReadonlyMap<string, readonly number[]>>;

export function playRounds(contenders: readonly Contender[], rounds: number): Samples {
  const samples = new Map<string, Map<string, number[]>>(contenders.map(({ label }) => [label, new Map()]));
  for (let round = 0; round <= rounds; round++) {
    const order = round % 2 === 0 ? contenders : contenders.toReversed();
    for (const contender of order) {
      contender.round((measure, value) => {
        if (round === 0) return;
        const own = samples.get(contender.label) ?? new Map<string, number[]>();
        own.set(measure, [...(own.get(measure) ?? []), value]);
      }, round);
    }
  }
  return samples;
}
