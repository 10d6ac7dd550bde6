/** What esbuild is told beside its options. */
import { readFileSync } from 'node:fs';
import { dirname, relative } from 'node:path';

/** yargs measures help text with string-width, whose Intl.Segmenter costs 11 ms; our help is plain text. */
export function plainStringWidth() {
  const contents = 'export default (text) => [...String(text).replace(/\\u001B\\[[0-9;]*m/g, "")].length;';
  return {
    name: 'plain-string-width',
    setup: (plugins) => {
      plugins.onResolve({ filter: /^string-width$/ }, () => ({ path: 'string-width', namespace: 'plain' }));
      plugins.onLoad({ filter: /.*/, namespace: 'plain' }, () => ({ contents }));
    },
  };
}

/**
 * Has the commands import from the modules that `index` re-exports. A module that splits is loaded with all that it
 * names, so that by way of the index every command would load what any of them takes of the library.
 */
export function withoutIndex({ commands, index }) {
  const sources = reexports(readFileSync(index, 'utf8'));
  const filter = new RegExp(`^${commands.replace(/[.+*?^${}()|[\]\\]/g, '\\$&')}/.*\\.ts$`);
  return {
    name: 'without-index',
    setup: (plugins) => {
      plugins.onLoad({ filter }, ({ path }) => {
        const up = relative(dirname(path), dirname(index));
        const contents = readFileSync(path, 'utf8').replace(
          /^import (type )?\{([^}]*)\} from '(?:\.\.\/)+lib\/index\.js';$/gm,
          (_statement, isType, names) => (isType === undefined ? direct(names, up, sources) : ''),
        );
        return { contents, loader: 'ts' };
      });
    },
  };
}

/** The module of each name that is a value, by the name. */
function reexports(text) {
  const sources = new Map();
  for (const [, names, source] of text.matchAll(/^export \{([^}]*)\} from '\.\/([^']+)';$/gm)) {
    for (const name of valuesOf(names)) sources.set(name, source);
  }
  return sources;
}

function direct(names, up, sources) {
  return valuesOf(names)
    .map((name) => {
      const source = sources.get(name.split(' as ')[0]);
      if (source === undefined) throw new Error(`import ${name}: the index has no such value`);
      return `import { ${name} } from '${up}/${source}';`;
    })
    .join('');
}

function valuesOf(names) {
  return names
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '' && !name.startsWith('type '));
}
