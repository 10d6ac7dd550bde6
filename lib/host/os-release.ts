/** os-release(5): which distribution a root file system is of. */

/** What /etc/os-release says. */
export type Distribution = {
  readonly id: string;
  /** Empty where it has none. */
  readonly version: string;
  readonly codename?: string;
};

/** Reads os-release; undefined for a text without ID. */
export function parseOsRelease(text: string): Distribution | undefined {
  const value = (key: string): string | undefined =>
    new RegExp(`^${key}=["']?([^"'\\n]*)["']?$`, 'm').exec(text)?.[1];
  const [id, codename] = [value('ID'), value('VERSION_CODENAME')];
  if (id === undefined || !/^[a-z0-9._-]{1,64}$/.test(id)) return undefined;
  return { id, version: value('VERSION_ID') ?? '', ...(codename ? { codename } : {}) };
}
