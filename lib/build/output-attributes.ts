/** The attributes of one `--output`, taken one by one: what nobody took is refused by name. */
import { CoracleError } from '../errors.js';
import { type Annotation, parseAnnotationAttribute } from './annotation.js';
import type { ImageForm, LayerForm } from './output.js';

const levels = { gzip: [1, 9], zstd: [1, 19], none: [0, 0] } as const;

export class OutputAttributes {
  readonly text: string;
  readonly #values = new Map<string, string>();

  constructor(text: string, fields: readonly string[]) {
    this.text = text;
    for (const field of fields) {
      const equals = field.indexOf('=');
      const key = (equals < 0 ? field : field.slice(0, equals)).trim();
      if (key === '' || (equals < 0 && key === 'type')) throw this.#bad(`expected NAME=VALUE, got ${field}`);
      this.#values.set(
        key.startsWith('annotation') ? key : key.toLowerCase(),
        equals < 0 ? '' : field.slice(equals + 1),
      );
    }
  }

  /** The value of an attribute, one of `allowed` where that is given. */
  take(name: string, allowed?: readonly string[]): string | undefined {
    const value = this.#values.get(name);
    this.#values.delete(name);
    if (value === undefined || allowed === undefined || allowed.includes(value)) return value;
    throw this.#bad(`${name}=${value} is not supported; it can be ${allowed.join(', ')}`);
  }

  /** A bare name means true, as in Docker. */
  takeSwitch(name: string): boolean | undefined {
    const value = this.take(name);
    if (value === undefined) return undefined;
    if (['', 'true', '1'].includes(value)) return true;
    if (['false', '0'].includes(value)) return false;
    throw this.#bad(`${name} must be true or false, not ${value}`);
  }

  takeNames(): readonly string[] {
    return (this.take('name') ?? '').split(',').filter((name) => name !== '');
  }

  takeForm(): ImageForm {
    const oci = this.takeSwitch('oci-mediatypes');
    const layers = this.#takeLayers();
    if (this.takeSwitch('rewrite-timestamp') === false) {
      throw new CoracleError('UNSUPPORTED', `use output ${this.text}: times of files are always rewritten`, {
        hint: 'without SOURCE_DATE_EPOCH or --timestamp they stay as they are',
      });
    }
    return {
      ...(oci === undefined ? {} : { docker: !oci }),
      ...(layers === undefined ? {} : { layers }),
      annotations: this.#takeAnnotations(),
    };
  }

  /** @throws USAGE naming what is left. */
  refuseRest(): void {
    const [name] = this.#values.keys();
    if (name !== undefined) throw this.#bad(`unknown attribute ${name}`);
  }

  #takeLayers(): LayerForm | undefined {
    const name = this.take('compression');
    const force = this.takeSwitch('force-compression') ?? false;
    const text = this.take('compression-level');
    if (name === undefined && text === undefined && !force) return undefined;
    const kind = this.#compression(name ?? 'gzip');
    if (text === undefined) return { kind, force };
    const [least, most] = levels[kind];
    const level = Number(text);
    if (!/^\d+$/.test(text) || level < least || level > most || kind === 'none')
      throw this.#bad(`compression-level must be ${least} to ${most} for ${name ?? kind}, not ${text}`);
    return { kind, level, force };
  }

  #compression(name: string): LayerForm['kind'] {
    if (name === 'gzip' || name === 'zstd') return name;
    if (name === 'uncompressed') return 'none';
    throw new CoracleError('UNSUPPORTED', `use output ${this.text}: compression ${name} is not supported`, {
      hint: 'gzip, zstd or uncompressed',
    });
  }

  #takeAnnotations(): readonly Annotation[] {
    const found: Annotation[] = [];
    for (const [name, value] of this.#values) {
      const annotation = parseAnnotationAttribute(name, value);
      if (annotation === undefined) continue;
      found.push(annotation);
      this.#values.delete(name);
    }
    return found;
  }

  #bad(reason: string): CoracleError {
    return new CoracleError('USAGE', `invalid argument ${JSON.stringify(this.text)} for --output: ${reason}`);
  }
}
