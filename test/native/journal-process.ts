/** Writes events until there are enough: `node journal-process.js ROOT WRITER COUNT`. */
import { storePaths } from '../../lib/host/paths.js';
import { writeEvent } from '../../lib/native/journal.js';

const [root = '', writer = '', count = '0'] = process.argv.slice(2);
for (let number = 0; number < Number(count); number++) {
  writeEvent(storePaths(root), 'volume', 'create', { name: `${writer}-${number}`, id: 'f'.repeat(64) });
}
