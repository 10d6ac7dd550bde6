/**
 * Annotations as `--annotation` and the attributes of `--output` name them: `[LEVEL[PLATFORM],...:]KEY=VALUE`.
 * https://docs.docker.com/build/metadata/annotations/#specify-annotation-level
 */
import { CoracleError } from '../errors.js';
import type { ImageRecord } from '../image/image-record.js';
import { formatPlatform, type Platform, parsePlatform } from '../oci/platform.js';

/** The documents that can carry an annotation; the two last ones are descriptors in the document above. */
export const annotationLevels = ['manifest', 'index', 'manifest-descriptor', 'index-descriptor'] as const;
export type AnnotationLevel = (typeof annotationLevels)[number];

export type Annotation = {
  readonly level: AnnotationLevel;
  /** Only for the image of this platform. */
  readonly platform?: Platform;
  readonly key: string;
  readonly value: string;
};

export type Annotations = Readonly<Record<string, string>>;

const prefix = /^([a-z-]+(?:\[[^\]]*\])?(?:,[a-z-]+(?:\[[^\]]*\])?)*):/;

/** Reads one `--annotation`. A text without a level is for the manifest. @throws USAGE */
export function parseAnnotation(text: string): readonly Annotation[] {
  const equals = text.indexOf('=');
  const found = prefix.exec(equals < 0 ? text : text.slice(0, equals));
  const assignment = found === null ? text : text.slice(found[0].length);
  const at = assignment.indexOf('=');
  if (at <= 0) throw badAnnotation(text, 'expected [LEVEL:]KEY=VALUE');
  const [key, value] = [assignment.slice(0, at), assignment.slice(at + 1)];
  const levels = found?.[1]?.split(',') ?? ['manifest'];
  return levels.map((level) => ({ ...parseLevel(level, text), key, value }));
}

/** Reads `annotation[-LEVEL][[PLATFORM]].KEY`, an attribute of an output; undefined for other attributes. */
export function parseAnnotationAttribute(name: string, value: string): Annotation | undefined {
  const found = /^annotation(?:-([a-z-]+?))?(\[[^\]]*\])?\.(.+)$/.exec(name);
  if (found === null) return undefined;
  const [, level = 'manifest', platform = '', key = ''] = found;
  return { ...parseLevel(`${level}${platform}`, name), key, value };
}

function parseLevel(text: string, whole: string): Pick<Annotation, 'level' | 'platform'> {
  const [, name, platform] = /^([a-z-]+)(?:\[([^\]]*)\])?$/.exec(text) ?? [];
  const level = annotationLevels.find((known) => known === name);
  if (level === undefined) throw badAnnotation(whole, `unknown level ${name}`);
  if (platform === undefined) return { level };
  if (level.startsWith('index')) throw badAnnotation(whole, 'an index has no platform');
  return { level, platform: parsePlatform(platform) };
}

function badAnnotation(text: string, reason: string): CoracleError {
  return new CoracleError('USAGE', `set annotation ${JSON.stringify(text)}: ${reason}`, {
    hint: `levels: ${annotationLevels.join(', ')}; for one platform manifest[linux/amd64]:KEY=VALUE`,
  });
}

/** The annotations of one document; undefined when it has none. */
export function annotationsAt(
  annotations: readonly Annotation[],
  level: AnnotationLevel,
  platform?: Platform,
): Annotations | undefined {
  const chosen = annotations.filter(
    (one) =>
      one.level === level &&
      (one.platform === undefined ||
        (platform !== undefined && formatPlatform(one.platform) === formatPlatform(platform))),
  );
  if (chosen.length === 0) return undefined;
  return Object.fromEntries(chosen.map(({ key, value }) => [key, value]));
}

/** The annotations an image takes over from its base, each for its own platform, without those that are unset. */
export function inheritedAnnotations(
  base: ImageRecord | undefined,
  platform: Platform,
  options: {
    readonly inheritAnnotations?: boolean | undefined;
    readonly unsetAnnotations?: readonly string[] | undefined;
  },
): readonly Annotation[] {
  if (options.inheritAnnotations !== true) return [];
  return Object.entries(base?.manifest.annotations ?? {})
    .filter(([key]) => options.unsetAnnotations?.includes(key) !== true)
    .map(([key, value]) => ({ level: 'manifest', platform, key, value }));
}
