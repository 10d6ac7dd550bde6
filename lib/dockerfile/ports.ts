/** The ports of EXPOSE: `[address:][hostPort:]port[-last][/protocol]`, as docker's nat package reads them. */
import { CoracleError } from '../errors.js';

/**
 * The `port/protocol` keys an expanded EXPOSE word stands for, one per port of a range.
 * @throws {CoracleError} INVALID: not a port, a port out of 0..65535, an unknown protocol.
 */
export function exposedPorts(word: string): string[] {
  const slash = word.indexOf('/');
  const protocol = (slash < 0 ? 'tcp' : word.slice(slash + 1)).toLowerCase();
  if (!['tcp', 'udp', 'sctp'].includes(protocol)) {
    throw invalid(word, `unknown protocol ${protocol}`);
  }
  const ports = slash < 0 ? word : word.slice(0, slash);
  const [, first = '', last = first] = /^(?:.*:)?(\d{1,5})(?:-(\d{1,5}))?$/s.exec(ports) ?? [];
  if (first === '') throw invalid(word, 'not a port');
  const from = Number(first);
  const to = Number(last);
  if (from > 65535 || to > 65535) throw invalid(word, 'a port is at most 65535');
  if (to < from) throw invalid(word, 'the range ends before it starts');
  return Array.from({ length: to - from + 1 }, (_, index) => `${from + index}/${protocol}`);
}

function invalid(word: string, reason: string): CoracleError {
  return new CoracleError('INVALID', `parse EXPOSE ${word}: ${reason}`, {
    hint: 'write PORT, PORT/udp or FIRST-LAST',
  });
}
