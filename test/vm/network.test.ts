/** Networks on this kernel: packets of containers that find each other, and a published port. */
import { ok, onMachine, useBusybox } from './machine.js';

useBusybox();

onMachine('containers of a network find each other by name, and a published port answers', async (t) => {
  const told = await ok(
    `coracle network create shop >/dev/null
     coracle run -d --name web --network shop -p 127.0.0.1:8080:80 busybox \\
       sh -c 'mkdir /w; echo a page >/w/index.html; exec httpd -f -p 80 -h /w' >/dev/null
     coracle run --rm --network shop busybox sh -c 'for i in 1 2 3 4 5; do wget -qO- http://web && break; sleep 1; done'
     until_true 'exec 3<>/dev/tcp/127.0.0.1/8080'; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; tail -n 1 <&3
     coracle rm -f -t 0 web >/dev/null; coracle network rm shop`,
  );
  t.deepEqual(told.split('\n').slice(0, 3), ['a page', 'a page', 'shop']);
});

onMachine('the default network reaches the host, and the user may stay who he is', async (t) => {
  const told = await ok(
    `coracle run --rm busybox sh -c 'ip -4 -o addr show scope global | wc -l'
     coracle run --rm --userns keep-id --network none -v "$HOME:/home" busybox sh -c 'id -u; touch /home/mine'
     stat -c %U ~/mine`,
  );
  t.deepEqual(told.split('\n').slice(0, 3), ['1', '1000', 'vagrant']);
});
