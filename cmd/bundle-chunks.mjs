/** esbuild's chunks as text: each the body of a function. */

/**
 * A chunk as the body of a function of `require` that returns its exports. Its imports are statements of their own and its
 * exports stand at its end, as esbuild prints them; chunks do not import each other in circles, so values can be taken at once. `import()`
 * of a built-in inside vm.Script would need the ESM loader, so it becomes a require() as well. esbuild has a chunk import all
 * that its modules name, even if nothing of it is left over here: of the `pure` ones, which only define, that is no import.
 */
export function functionBody(text, path, pure) {
  const statement =
    /(?<=^|[;}\n])import(?:\s*([\w$]+))?,?(?:\s*\*as ([\w$]+))?(?:\{([^{}]*)\})?\s*(?:from)?"([^"]+)";/g;
  let head = '';
  const rest = text.trim().replace(statement, (...found) => {
    head += importText(found, pure);
    return '';
  });
  const [, body, names = '', whole] = /^([\s\S]*?)(?:export\{([^}]*)\};|export default ([\w$]+\(\));)?$/.exec(
    rest,
  );
  const lazy = body.replace(/\bimport\(("[^"]+")\)/g, 'Promise.resolve().then(()=>require($1))');
  const exported = [
    ...names.split(',').filter(Boolean).map(exportText),
    ...(whole === undefined ? [] : [`default:${whole}`]),
  ];
  const code = `${head}${lazy}return{${exported.join(',')}}`;
  try {
    new Function('require', code);
  } catch (error) {
    throw new Error(`bundle ${path}: a form of import or export that is not known here`, { cause: error });
  }
  return code;
}

function importText([, single, whole, names, from], pure) {
  const source = `require(${JSON.stringify(from)})`;
  const isChunk = from.startsWith('.');
  if (single === undefined && whole === undefined && names === undefined) {
    return pure.has(from) ? '' : `${source};`;
  }
  return [
    single === undefined ? '' : `const ${single}=${source}${isChunk ? '.default' : ''};`,
    whole === undefined ? '' : `const ${whole}=${source};`,
    names === undefined ? '' : `const{${names.replaceAll(' as ', ':')}}=${source};`,
  ].join('');
}

/** `a as b` of a list of exports, for an object. */
function exportText(item) {
  const [local, name = local] = item.split(' as ');
  return name === local ? local : `${name}:${local}`;
}

/** A chunk and all that is loaded as soon as it is. */
export function loadedWith(name, texts, found = new Set()) {
  if (found.has(name)) return [];
  found.add(name);
  for (const [, other] of texts.get(name).matchAll(/(?<!=>)require\("(\.\/[^"]+)"\)/g))
    loadedWith(other, texts, found);
  return [...found];
}
