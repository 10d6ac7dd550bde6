/** `build`: names as people type them, base images pulled as a policy says, results taken to archives and registries. */

import type { CheckResult } from '../build/check.js';
import type { BuildEvent } from '../build/events.js';
import type { BuildEnvironment, BuildOptions, BuildResult, ImageExporter } from '../build/options.js';
import type { Described } from '../build/outline.js';
import type { BuildOutput } from '../build/output.js';
import type { BuildStores } from '../build/session.js';
import type { Stores } from '../image/stores.js';
import { writeEvent } from '../native/journal.js';
import type { PushOptions } from '../transfer/push.js';
import type { RegistryAccess } from '../transfer/registry-access.js';
import { nameToGive } from './image-names.js';
import { resolveImage } from './image-source.js';
import { asBuildStep } from './pull-step.js';
import type { BuildRequest } from './requests.js';
import type { Session } from './session.js';
import { coracleVersion } from './version.js';

const silent = (): void => undefined;

/** Builds images; base images are found or pulled as `pull` says. */
export async function build(session: Session, request: BuildRequest): Promise<BuildResult> {
  const { build: run } = await import('../build/build.js');
  const [stores, options, environment] = await prepared(session, request);
  const result = await run(stores, options, environment);
  const { id, reference: name } = result.image;
  writeEvent((await session.stores()).paths, 'image', 'build', { id, name });
  return result;
}

/** Checks a Dockerfile without building it. */
export async function check(session: Session, request: BuildRequest): Promise<CheckResult> {
  const { checkBuild } = await import('../build/check.js');
  return checkBuild(...(await prepared(session, request)));
}

/** What a build can be given, or what it can be asked for. */
export async function describe(
  session: Session,
  request: BuildRequest,
  what: 'outline' | 'targets',
): Promise<Described> {
  const { describeBuild } = await import('../build/check.js');
  return describeBuild(...(await prepared(session, request)), what);
}

async function prepared(
  session: Session,
  request: BuildRequest,
): Promise<[BuildStores, BuildOptions, BuildEnvironment]> {
  const { context, pull: policy = 'missing', access = {}, onEvent = silent, ...options } = request;
  const { cachePlaces } = await import('./cache-places.js');
  const stores = await session.allStores();
  if (options.networks !== undefined) {
    const { requireNetworks } = await import('../network/step-member.js');
    requireNetworks(stores, options.networks);
  }
  const registry = options.signal === undefined ? access : { ...access, signal: options.signal };
  return [
    stores,
    {
      ...options,
      context: context ?? stores.staging.open().directory('context'),
      tags: (options.tags ?? []).map(nameToGive),
      outputs: (options.outputs ?? []).map(namedFully),
      ...(options.manifest === undefined ? {} : { manifest: nameToGive(options.manifest) }),
      network: options.network ?? session.networkMode(),
    },
    {
      onEvent,
      caches: cachePlaces(registry, (message) => onEvent({ kind: 'warning', message })),
      resolveImage: (reference, platform) =>
        asBuildStep(`pull ${reference}`, onEvent, (onTransfer) =>
          resolveImage(stores, reference, { policy, platform, access: registry, onEvent: onTransfer }),
        ),
      imagePlatforms: async (reference) => {
        const { imagePlatforms } = await import('./image-platforms.js');
        return imagePlatforms(stores, reference, registry);
      },
      resolveLayout: async (path, select, platform) => {
        const { approveArchive } = await import('./trusted-places.js');
        await approveArchive(session, 'oci', { source: path, signaturePolicy: access.signaturePolicy });
        const { loadLayoutImage } = await import('../transfer/layout-load.js');
        return loadLayoutImage(stores, path, select, platform);
      },
      requestUrl: async (request) => {
        const { requestUrl } = await import('./url-requests.js');
        return requestUrl(request, { env: session.env, signal: options.signal });
      },
      tool: `coracle-${coracleVersion}`,
      exporter: exporter(stores, registry, onEvent),
    },
  ];
}

function namedFully(output: BuildOutput): BuildOutput {
  if (output.kind !== 'image' && output.kind !== 'archive') return output;
  return { ...output, names: output.names.map(nameToGive) };
}

function exporter(
  stores: Stores,
  access: RegistryAccess,
  onEvent: (event: BuildEvent) => void,
): ImageExporter {
  return {
    compress: async (image, { level, ...form }, signal) => {
      const { compressImage } = await import('../transfer/compress-image.js');
      return compressImage(stores, image, {
        ...form,
        ...(level === undefined ? {} : { level }),
        ...(signal === undefined ? {} : { signal }),
      });
    },
    archive: async (image, { format, dest, directory, names: references, layers }) => {
      const images = [{ image, references }];
      const { writeArchive, writeLayout } = await import('../transfer/save.js');
      const plain = layers?.kind === 'none';
      if (directory) return writeLayout(stores, images, dest, { plain });
      return writeArchive(stores, images, dest, { format: `${format}-archive`, plain });
    },
    push: async (image, name, { pushByDigest, insecure, layers }) => {
      const { pushImage } = await import('../transfer/push.js');
      const options: PushOptions = {
        ...access,
        ...(insecure === true ? { tlsVerify: false } : {}),
        byDigest: pushByDigest,
        ...(layers?.kind === 'none' ? { compression: 'none' } : {}),
      };
      const { descriptor } = await asBuildStep(`push ${name}`, onEvent, (onTransfer) =>
        pushImage(stores, image, name, options, onTransfer),
      );
      return descriptor;
    },
  };
}
