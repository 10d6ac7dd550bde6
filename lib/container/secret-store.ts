/**
 * Secrets: `secrets/<name>.json`, mode 0600, each with its value in it, so that a secret is there whole or not at all.
 * Values leave the store only into containers and where `value` is asked for.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { CoracleError, ioError } from '../errors.js';
import { ensureDirectory, namesIn, readJson, writeFileAtomic } from '../host/files.js';
import type { StorePaths } from '../host/paths.js';
import { randomHex } from '../host/random.js';
import type { Locks } from '../host/staging.js';
import { writeEvent } from '../native/journal.js';
import { requireObject, requireString, requireStringMap } from '../oci/guards.js';

/** What may be told of a secret. */
export type Secret = {
  /** 25 characters, as podman's. */
  readonly id: string;
  readonly name: string;
  /** RFC 3339. */
  readonly created: string;
  readonly updated: string;
  readonly labels: Readonly<Record<string, string>>;
};

export type NewSecret = {
  readonly name: string;
  readonly value: Uint8Array;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** Take the place of one that has the name. */
  readonly replace?: boolean | undefined;
};

/** podman's limit. */
const largest = 512_000;
const largestFile = 2 * largest;
const namePattern = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

export class SecretStore {
  readonly #paths: StorePaths;
  readonly #locks: Locks;

  constructor({ paths, locks }: { readonly paths: StorePaths; readonly locks: Locks }) {
    this.#paths = paths;
    this.#locks = locks;
  }

  /** @throws USAGE for a name or a size that cannot be, CONFLICT when the name is taken. */
  create({ name, value, labels = {}, replace = false }: NewSecret): Secret {
    const path = this.#path(name);
    if (value.length === 0 || value.length > largest) {
      throw new CoracleError('USAGE', `create secret ${name}: it has ${value.length} bytes`, {
        hint: `from 1 to ${largest} are possible`,
      });
    }
    ensureDirectory(this.#paths.secrets);
    return this.#locks.withLock(join(this.#paths.ownLocks, 'secrets'), () => {
      const known = this.get(name);
      if (known !== undefined && !replace) {
        throw new CoracleError('CONFLICT', `create secret ${name}: there is one of this name`, {
          hint: '--replace takes its place',
        });
      }
      const updated = new Date().toISOString();
      const secret: Secret = {
        id: randomHex(13).slice(0, 25),
        name,
        created: known?.created ?? updated,
        updated,
        labels,
      };
      const stored = { version: 1, ...secret, value: Buffer.from(value).toString('base64') };
      writeFileAtomic(path, JSON.stringify(stored), { mode: 0o600, durable: true });
      writeEvent(this.#paths, 'secret', 'create', { id: secret.id, name });
      return secret;
    });
  }

  /** In the order of their names. */
  list(): readonly Secret[] {
    return this.#names()
      .map((name) => this.get(name))
      .filter((secret) => secret !== undefined);
  }

  get(name: string): Secret | undefined {
    return this.#read(name)?.secret;
  }

  /** The secret of a name, an id, or the beginning of exactly one id. @throws NOT_FOUND, USAGE */
  resolve(text: string): Secret {
    const found = this.find(text);
    if (found !== undefined) return found;
    throw new CoracleError('NOT_FOUND', `open secret ${text}: no such secret`, {
      hint: 'coracle secret ls lists them',
    });
  }

  find(text: string): Secret | undefined {
    const named = namePattern.test(text) ? this.get(text) : undefined;
    if (named !== undefined || !/^[0-9a-f]{1,25}$/.test(text)) return named;
    const [first, second] = this.list().filter(({ id }) => id.startsWith(text));
    if (second === undefined) return first;
    throw new CoracleError('USAGE', `open secret ${text}: several ids begin with it`, {
      hint: 'give more characters, or the name',
    });
  }

  /** @throws NOT_FOUND */
  value(name: string): Uint8Array {
    const found = this.#read(name);
    if (found !== undefined) return found.value;
    throw new CoracleError('NOT_FOUND', `read secret ${name}: no such secret`);
  }

  remove({ id, name }: Pick<Secret, 'id' | 'name'>): void {
    try {
      rmSync(this.#path(name), { force: true });
      writeEvent(this.#paths, 'secret', 'remove', { id, name });
    } catch (error) {
      throw ioError(`remove secret ${name}`, error);
    }
  }

  #read(name: string): { readonly secret: Secret; readonly value: Uint8Array } | undefined {
    const path = this.#path(name);
    const stored = readJson(path, largestFile);
    if (stored === undefined) return undefined;
    const record = requireObject(stored, path);
    return {
      secret: {
        id: requireString(record.id, `${path}: id`),
        name,
        created: requireString(record.created, `${path}: created`),
        updated: requireString(record.updated, `${path}: updated`),
        labels: requireStringMap(record.labels, `${path}: labels`),
      },
      value: Buffer.from(requireString(record.value, `${path}: value`), 'base64'),
    };
  }

  #names(): readonly string[] {
    return namesIn(this.#paths.secrets)
      .filter((file) => file.endsWith('.json'))
      .map((file) => file.slice(0, -'.json'.length))
      .filter((name) => namePattern.test(name))
      .sort();
  }

  #path(name: string): string {
    if (namePattern.test(name) && name.length <= 240) return join(this.#paths.secrets, `${name}.json`);
    throw new CoracleError('USAGE', `open secret ${JSON.stringify(name)}: not a name of a secret`, {
      hint: 'letters, digits, and behind the first one _ . -',
    });
  }
}
