/** The checks of FROM lines, which see the global ARGs alone. They look at every stage, whatever is built. */
import { expandInstruction } from '../dockerfile/expansion.js';
import type { Dockerfile, EscapeToken, FromInstruction } from '../dockerfile/instructions.js';
import { rules } from '../dockerfile/rules.js';
import type { SourceRange } from '../dockerfile/source.js';
import { nearest } from '../dockerfile/suggestion.js';
import { expandWord } from '../dockerfile/words.js';
import { CoracleError } from '../errors.js';
import type { ImageRecord } from '../image/image-record.js';
import { present } from '../oci/guards.js';
import { formatPlatform, type Platform, parsePlatform } from '../oci/platform.js';
import { parseReference } from '../oci/reference.js';
import type { Checks } from './checks.js';
import type { Scope } from './scope.js';

type Expanded = {
  readonly text: string;
  readonly used: ReadonlySet<string>;
  readonly unmatched: readonly string[];
};

/** `defaults` knows the predefined ARGs; `globals` also those of the file and of the command line. */
export function checkFroms(dockerfile: Dockerfile, globals: Scope, defaults: Scope, checks: Checks): void {
  const { escape: escapeToken } = dockerfile.directives;
  const usual = withDefaults(dockerfile, defaults);
  for (const { from } of dockerfile.stages) {
    const base = expanded(from.base, globals, escapeToken);
    const platform = from.platform === undefined ? undefined : expanded(from.platform, globals, escapeToken);
    for (const name of new Set([...(base?.unmatched ?? []), ...(platform?.unmatched ?? [])])) {
      if (globals.has(name)) continue;
      const suggestion = nearest(name, globals.names()) ?? '';
      checks.report('UndefinedArgInFrom', from.range, rules.UndefinedArgInFrom.format(name, suggestion));
    }
    if (platform !== undefined) checkPlatform(from, platform, globals, checks);
    const byDefault = usual === undefined ? undefined : expanded(from.base, usual, escapeToken);
    if (byDefault !== undefined && !isReference(byDefault.text)) {
      const message = rules.InvalidDefaultArgInFrom.format(from.base);
      checks.report('InvalidDefaultArgInFrom', from.range, message);
    }
  }
}

/** Whether the image that was found is one for this build's platform. */
export function checkImage(
  image: ImageRecord,
  from: { readonly reference: string; readonly platform: Platform; readonly range: SourceRange },
  checks: Checks,
): void {
  const { os, architecture, variant } = image.config;
  if (os === from.platform.os && architecture === from.platform.architecture) return;
  const actual = formatPlatform({ os, architecture, ...present('variant', variant) });
  const expected = formatPlatform(from.platform);
  const message = rules.InvalidBaseImagePlatform.format(from.reference, expected, actual);
  checks.report('InvalidBaseImagePlatform', from.range, message);
}

function checkPlatform(from: FromInstruction, platform: Expanded, globals: Scope, checks: Checks): void {
  const { text, used, unmatched } = platform;
  if (used.size === 1 && used.has('TARGETPLATFORM') && text === globals.lookup('TARGETPLATFORM')) {
    const message = rules.RedundantTargetPlatform.format(from.platform ?? '');
    checks.report('RedundantTargetPlatform', from.range, message);
  }
  if (used.size > 0 || unmatched.length > 0) return;
  const constant = tried(() => parsePlatform(text));
  const name = from.stageName ?? '';
  // A stage named for its platform is there for that platform.
  if (constant === undefined || name.includes(constant.os) || name.includes(constant.architecture)) return;
  const message = rules.FromPlatformFlagConstDisallowed.format(text);
  checks.report('FromPlatformFlagConstDisallowed', from.range, message);
}

/** The global ARGs as if no build argument had been given; undefined where they cannot be read. */
function withDefaults(dockerfile: Dockerfile, defaults: Scope): Scope | undefined {
  return tried(() => {
    for (const instruction of dockerfile.metaArgs) {
      const { instruction: result } = expandInstruction(
        instruction,
        (name) => defaults.lookup(name),
        dockerfile.directives.escape,
      );
      if (result.kind !== 'arg') continue;
      for (const { key, value } of result.args) defaults.declare(key, value);
    }
    return defaults;
  });
}

function expanded(word: string, scope: Scope, escapeToken: EscapeToken): Expanded | undefined {
  const used = new Set<string>();
  const lookup = (name: string): string | undefined => {
    const value = scope.lookup(name);
    if (value !== undefined) used.add(name);
    return value;
  };
  return tried(() => {
    const { text, unmatched } = expandWord(word, lookup, escapeToken);
    return { text, used, unmatched };
  });
}

function isReference(text: string): boolean {
  return tried(() => parseReference(text)) !== undefined;
}

/** What is wrong with the words themselves is an error of the build, not a finding. */
function tried<Value>(read: () => Value): Value | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof CoracleError) return undefined;
    throw error;
  }
}
