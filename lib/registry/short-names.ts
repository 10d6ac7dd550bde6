/**
 * Names without a registry: what they may mean, by the aliases and the search list of registries.conf.
 * https://github.com/containers/image/blob/main/docs/containers-registries.conf.5.md#short-name-aliasing
 */
import { CoracleError } from '../errors.js';
import { editUserFile } from '../host/user-file.js';
import { requireObject } from '../oci/guards.js';
import { formatReference, parseReference } from '../oci/reference.js';
import type { Environment } from './proxy.js';
import { chosenAliases, parseToml, type Registries } from './registries.js';

/** Asks a person which of several full names is meant; undefined where nobody can be asked. */
export type ChooseName = (text: string, candidates: readonly string[]) => Promise<string | undefined>;

/** Full references to try in this order, and what to remember once one of them proves right. */
export type ResolvedName = {
  readonly candidates: readonly string[];
  readonly chosen: boolean;
};

/**
 * What a short name stands for.
 * @throws USAGE where the mode demands an answer and nobody can give it
 */
export async function resolveShortName(
  registries: Registries,
  text: string,
  choose: ChooseName | undefined,
): Promise<ResolvedName> {
  const { name, suffix } = splitSuffix(text);
  const alias = registries.aliases.get(name);
  if (alias !== undefined)
    return { candidates: [formatReference(parseReference(`${alias}${suffix}`))], chosen: false };
  const { search, shortNameMode: mode, files } = registries;
  const candidates = search.map((registry) => formatReference(parseReference(`${registry}/${text}`)));
  const [first] = candidates;
  if (first === undefined) {
    throw new CoracleError('USAGE', `resolve ${text}: no registry to look in`, {
      hint: `write REGISTRY/${text}, or name registries in unqualified-search-registries of ${files[0] ?? 'registries.conf'}`,
    });
  }
  if (candidates.length === 1 || mode === 'disabled') return { candidates, chosen: false };
  const answer = await choose?.(text, candidates);
  if (answer !== undefined) return { candidates: [answer], chosen: true };
  if (mode === 'permissive') return { candidates, chosen: false };
  throw new CoracleError(
    'USAGE',
    `resolve ${text}: short-name-mode is enforcing, and there is no terminal to ask at`,
    {
      hint: `write one of ${candidates.join(', ')}, or give ${name} an alias in registries.conf`,
    },
  );
}

/** Splits the tag and digest off. */
function splitSuffix(text: string): { readonly name: string; readonly suffix: string } {
  const [tagged = ''] = text.split('@');
  const colon = tagged.lastIndexOf(':');
  const name = colon > tagged.lastIndexOf('/') ? tagged.slice(0, colon) : tagged;
  return { name, suffix: text.slice(name.length) };
}

/** Keeps a person's choice as an alias, where podman keeps it too. */
export async function rememberChoice(env: Environment, text: string, reference: string): Promise<void> {
  const path = chosenAliases(env);
  if (path === undefined) return;
  const { name } = splitSuffix(text);
  const { name: full } = splitSuffix(reference);
  const { stringify } = await import('smol-toml');
  await editUserFile(path, async (present) => {
    const document = requireObject(present === undefined ? {} : await parseToml(present, path), path);
    const aliases = requireObject(document.aliases ?? {}, `${path}: aliases`);
    return stringify({ ...document, aliases: { ...aliases, [name]: full } });
  });
}
