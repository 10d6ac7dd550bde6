/** The verbs of pods; `Coracle` has them too. A pod is named by its name, its id, or the beginning of that. */
import type { PodView } from '../container/pod.js';
import { ArtifactVerbs } from './artifact-verbs.js';
import type { CreatePodRequest } from './pods.js';

type WithTimeout = { readonly timeout?: number | undefined };

export abstract class PodVerbs extends ArtifactVerbs {
  /** Makes a pod without starting it; resolves with its id. @throws CONFLICT when the name is taken */
  async createPod(request: CreatePodRequest): Promise<string> {
    const { createPod } = await import('./pods.js');
    return createPod(this.session, request);
  }

  /** All pods, newest first. */
  async pods(): Promise<readonly PodView[]> {
    const { allPods } = await import('./pods.js');
    return allPods(this.session);
  }

  /** @throws NOT_FOUND */
  async pod(name: string): Promise<PodView> {
    const { onePod } = await import('./pods.js');
    return onePod(this.session, name);
  }

  /** Starts what of a pod does not run; resolves with its id, as the others. */
  async startPod(name: string): Promise<string> {
    const { startPod } = await import('./pods.js');
    return startPod(this.session, name);
  }

  async stopPod(name: string, request: WithTimeout = {}): Promise<string> {
    const { stopPod } = await import('./pods.js');
    return stopPod(this.session, name, request);
  }

  async restartPod(name: string, request: WithTimeout = {}): Promise<string> {
    const { restartPod } = await import('./pods.js');
    return restartPod(this.session, name, request);
  }

  async killPod(name: string, signal?: string): Promise<string> {
    const { changePod } = await import('./pods.js');
    return changePod(this.session, name, { kind: 'kill', signal });
  }

  async pausePod(name: string): Promise<string> {
    const { changePod } = await import('./pods.js');
    return changePod(this.session, name, { kind: 'pause' });
  }

  async unpausePod(name: string): Promise<string> {
    const { changePod } = await import('./pods.js');
    return changePod(this.session, name, { kind: 'unpause' });
  }

  /** @throws IN_USE when a member runs and `force` is not set */
  async removePod(
    name: string,
    request: WithTimeout & { readonly force?: boolean | undefined } = {},
  ): Promise<string> {
    const { removePod } = await import('./pods.js');
    return removePod(this.session, name, request);
  }
}
