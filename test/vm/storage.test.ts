/** Builds and runs on this kernel, by its own overlay and by fuse-overlayfs. */
import { facts, ok, onMachine, useBusybox } from './machine.js';

useBusybox();

const dockerfile = `FROM busybox
COPY page /srv/page
RUN mkdir /full && touch /full/old /gone && chown 7:8 /srv/page && chmod 4755 /bin/busybox
RUN rm -r /full /gone && mkdir /full && touch /full/new
USER 7:8
CMD cat /srv/page && ls /full && stat -c "owner=%u:%g" /srv/page && test ! -e /gone && echo type=$(awk '$2 == "/" { print $3 }' /proc/mounts)
`;

for (const [driver, type] of [
  ['overlay', 'overlay'],
  ['fuse-overlayfs', 'fuse.fuse-overlayfs'],
] as const) {
  onMachine(`an image is built and run with ${driver}`, async (t) => {
    const told = await ok(
      `mkdir -p ~/context && cd ~/context && echo hello >page && cat >Dockerfile
       export CORACLE_STORAGE_DRIVER=${driver} CORACLE_ROOT=$HOME/store-${driver}
       CORACLE_ROOT= coracle save -o ~/context/base.tar busybox && coracle load -q -i ~/context/base.tar >/dev/null
       coracle build -q --network none -t made . >/dev/null && coracle run --rm --network none made
       unshare --map-root-user --map-auto rm -rf "$CORACLE_ROOT"`,
      { input: dockerfile },
    );
    t.like(facts(told), { owner: '7:8', type });
    t.deepEqual(told.split('\n').slice(0, 2), ['hello', 'new']);
  });
}
