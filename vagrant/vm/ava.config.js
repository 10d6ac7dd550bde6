/** Tests of the virtual machine: one after the other, since they measure it; slowly, since it may be emulated. */
export default {
  files: ['out/test/vm/**/*.test.js'],
  workerThreads: false,
  concurrency: 1,
  serial: true,
  timeout: '10m',
};
