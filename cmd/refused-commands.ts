/** Commands of podman that have no meaning here: refused by name, with what there is instead. */
import { CoracleError } from '../lib/index.js';

const reasons: Readonly<Record<string, readonly [reason: string, hint: string]>> = {
  'system migrate': [
    'there is nothing to migrate',
    'the first command that opens a store of an older version brings it up to date, and containers go on meanwhile',
  ],
  'system renumber': ['locks have no numbers here', 'coracle system check says what is wrong with a store'],
  'system service': ['no daemon answers requests here', 'import coracle as a library, or run its commands'],
  'system connection': ['stores are those of this host', 'run coracle there, by ssh for instance'],
};

/** Why there is no such command, where that can be said. */
export function refusedCommand(group: string, verb: string): CoracleError | undefined {
  const found = reasons[`${group} ${verb}`];
  return found && new CoracleError('UNSUPPORTED', `use ${group} ${verb}: ${found[0]}`, { hint: found[1] });
}
