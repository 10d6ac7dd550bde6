/** The packages that databases in an image tell of: texts of images become records here, and are distrusted until then. Pure. */
import type { Distribution } from '../host/os-release.js';
import { parseJson, requireObject } from '../oci/guards.js';

/** An installed package. */
export type Package = {
  readonly name: string;
  readonly version: string;
  /** Package URL. https://github.com/package-url/purl-spec */
  readonly purl: string;
  /** The database that has it. */
  readonly source: string;
  readonly license?: string;
  readonly supplier?: string;
};

/** Values beyond this length are no names or versions. */
const valueLimit = 1024;

/** Reads /var/lib/dpkg/status, or a file of status.d, which has no Status line. */
export function parseDpkgStatus(
  text: string,
  source: string,
  distribution: Distribution | undefined,
): readonly Package[] {
  const { id = 'debian', version = '' } = distribution ?? {};
  return paragraphs(text, ':').flatMap((fields) => {
    const [name, packageVersion] = [fields.get('Package'), fields.get('Version')];
    const status = fields.get('Status') ?? 'install ok installed';
    if (!isUsable(name) || !isUsable(packageVersion) || !status.endsWith(' installed')) return [];
    const arch = fields.get('Architecture') ?? '';
    const purl = packageUrl('deb', [id, name], packageVersion, { arch, distro: distro(id, version) });
    return [{ name, version: packageVersion, purl, source, ...personOf(fields.get('Maintainer')) }];
  });
}

/** Reads Alpine's /lib/apk/db/installed. */
export function parseApkInstalled(
  text: string,
  source: string,
  distribution: Distribution | undefined,
): readonly Package[] {
  const { id = 'alpine', version = '' } = distribution ?? {};
  return paragraphs(text, ':').flatMap((fields) => {
    const [name, packageVersion] = [fields.get('P'), fields.get('V')];
    if (!isUsable(name) || !isUsable(packageVersion)) return [];
    const arch = fields.get('A') ?? '';
    const purl = packageUrl('apk', [id, name], packageVersion, { arch, distro: distro(id, version) });
    const license = fields.get('L');
    const licensed = isUsable(license) ? { license } : {};
    return [{ name, version: packageVersion, purl, source, ...licensed, ...personOf(fields.get('m')) }];
  });
}

/** Reads the package.json of an installed npm package; nothing for one without name or version. */
export function parseNpmPackage(text: string, source: string): readonly Package[] {
  const record = objectOf(text, source);
  const { name, version, license } = record ?? {};
  if (!isUsable(name) || !isUsable(version)) return [];
  return [{ name, version, purl: npmUrl(name, version), source, ...(isUsable(license) ? { license } : {}) }];
}

/** Reads npm's lock file of what is installed, as `node_modules/.package-lock.json` and `package-lock.json` have it. */
export function parseNpmLock(text: string, source: string): readonly Package[] {
  const packages = objectOf(text, source)?.packages;
  if (typeof packages !== 'object' || packages === null) return [];
  return Object.entries(packages).flatMap(([path, value]): readonly Package[] => {
    const at = path.lastIndexOf('node_modules/');
    if (at < 0 || typeof value !== 'object' || value === null) return [];
    const { version, name: given, link } = requireObject(value, source);
    const name = typeof given === 'string' ? given : path.slice(at + 'node_modules/'.length);
    if (link === true || !isUsable(name) || !isUsable(version)) return [];
    return [{ name, version, purl: npmUrl(name, version), source }];
  });
}

function objectOf(text: string, source: string): Readonly<Record<string, unknown>> | undefined {
  try {
    return requireObject(parseJson(text, source), source);
  } catch {
    // a file of the image that is no JSON object describes no package
    return undefined;
  }
}

/** Fields of each paragraph; continuation lines belong to fields that nobody asks for. */
function paragraphs(text: string, separator: string): readonly ReadonlyMap<string, string>[] {
  return text.split(/\n\n+/).map((paragraph) => {
    const fields = new Map<string, string>();
    for (const line of paragraph.split('\n')) {
      const at = line.indexOf(separator);
      if (at > 0 && !/^\s/.test(line) && !fields.has(line.slice(0, at)))
        fields.set(line.slice(0, at), line.slice(at + 1).trim());
    }
    return fields;
  });
}

/** Whether a value of a database may be a name or a version. */
export function isUsable(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= valueLimit;
}

function personOf(text: string | undefined): Pick<Package, 'supplier'> {
  return isUsable(text) ? { supplier: `Person: ${text.replace(/\s*<([^>]*)>/, ' ($1)')}` } : {};
}

/** The `distro` of a package URL. */
export function distro(id: string, version: string): string {
  return version === '' ? id : `${id}-${version}`;
}

function npmUrl(name: string, version: string): string {
  return packageUrl('npm', name.split('/'), version, {});
}

/** https://github.com/package-url/purl-spec */
export function packageUrl(
  type: string,
  path: readonly string[],
  version: string,
  qualifiers: Readonly<Record<string, string>>,
): string {
  const given = Object.entries(qualifiers).filter(([, value]) => value !== '');
  const query = given.map(([key, value]) => `${key}=${encodeURIComponent(value)}`).join('&');
  const place = path.map(encodeURIComponent).join('/');
  return `pkg:${type}/${place}@${encodeURIComponent(version)}${query === '' ? '' : `?${query}`}`;
}
