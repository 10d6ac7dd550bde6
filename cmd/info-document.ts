/** `info` and `version` as documents: our own fields, and beside them those by which scripts made for podman know a host. */
import type { HostInformation, VersionInformation } from '../lib/index.js';
import { compileTemplate } from './template/render.js';
import { printLine, visible } from './terminal/output.js';

type Document = Readonly<Record<string, unknown>>;

/** What `version --format` shows. */
export function versionDocument(version: VersionInformation): Document {
  return { ...version, Client: clientOf(version) };
}

function clientOf(version: VersionInformation): Document {
  return { APIVersion: version.Version, ...version, Os: 'linux' };
}

/** What `info --format` shows. */
export function infoDocument(information: HostInformation): Document {
  const { version, registries, modes } = information;
  return {
    host: hostDocument(information),
    store: storeDocument(information.store),
    registries,
    plugins: {
      volume: ['local'],
      network: ['bridge'],
      log: ['k8s-file', 'json-file', 'journald', 'passthrough', 'none'],
    },
    version: clientOf(version),
    modes,
  };
}

function hostDocument({ host, modes, version }: HostInformation): Document {
  const { uids, gids, limits, controllers, cgroupVersion } = modes;
  const { distribution, uptime, selinux, ...own } = host;
  return {
    ...own,
    os: 'linux',
    cgroupManager: limits === 'cgroup' ? 'cgroupfs' : limits,
    cgroupVersion: `v${cgroupVersion}`,
    cgroupControllers: controllers,
    distribution: {
      distribution: distribution?.id ?? 'unknown',
      version: distribution?.version ?? '',
      ...(distribution?.codename === undefined ? {} : { codename: distribution.codename }),
    },
    eventLogger: 'file',
    idMappings: { uidmap: uids.map(mapDocument), gidmap: gids.map(mapDocument) },
    logDriver: 'k8s-file',
    networkBackend: 'coracle',
    ociRuntime: { name: 'coracle', version: version.Version },
    security: {
      rootless: host.uid !== 0,
      seccompEnabled: true,
      apparmorEnabled: false,
      selinuxEnabled: selinux,
    },
    serviceIsRemote: false,
    uptime: `${Math.floor(uptime / 3600)}h ${Math.floor(uptime / 60) % 60}m ${(uptime % 60).toFixed(2)}s`,
  };
}

type Range = HostInformation['modes']['uids'][number];

function mapDocument({ container, host, size }: Range): Document {
  return { container_id: container, host_id: host, size };
}

function storeDocument(store: HostInformation['store']): Document {
  const { containers, running, paused, images } = store;
  return {
    ...store,
    configFile: store.configuration,
    containerStore: {
      number: containers,
      paused,
      running: running - paused,
      stopped: containers - running,
    },
    graphDriverName: store.driver,
    graphOptions: {},
    graphRoot: store.root,
    graphRootAllocated: store.allocated,
    graphRootUsed: store.used,
    graphStatus: {},
    imageStore: { number: images },
    runRoot: store.runtime,
    volumePath: store.volumes,
  };
}

/** Prints a document in the FORMAT that a user gave: `json`, or a Go template. */
export function printDocument(document: Document, format: string): void {
  printLine(
    format === 'json' ? JSON.stringify(document, undefined, 2) : visible(compileTemplate(format)(document)),
  );
}
