import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { globalOptions, type OptionSpec, refusedOptions } from '../../cmd/command.js';
import { commands } from '../../cmd/commands.js';
import { commandHelp } from '../../cmd/help.js';
import { coracleVersion } from '../../lib/session/version.js';
import { repositoryRoot } from '../helpers/host.js';

test('every command is loaded by the name it is listed with', async (t) => {
  for (const entry of commands) {
    const { command } = await entry.load();
    t.is(command.name, entry.name);
    t.is(command.summary, entry.summary);
    t.true(command.examples.length > 0, `${command.name} has no example`);
  }
});

test("every option of every command is in the command's help, refused ones are not", async (t) => {
  for (const entry of commands) {
    const { command } = await entry.load();
    const help = await commandHelp(command);
    const refused = refusedOptions(command.refused ?? {}).map(({ name }) => name);
    const globals = globalOptions.filter(({ name }) => !refused.includes(name));
    const shown: readonly OptionSpec[] = [...command.options, ...globals];
    for (const { name, short } of shown) {
      t.regex(help, new RegExp(` --${name}\\b`), `${command.name} --${name}`);
      if (short !== undefined && name !== 'help')
        t.regex(help, new RegExp(` -${short}, `), `${command.name} -${short}`);
    }
    for (const name of refused) {
      t.notRegex(help, new RegExp(` --${name}[ ,]`), `${command.name} --${name}`);
    }
    for (const [line, what] of command.examples) {
      t.true(help.replace(/\s+/g, ' ').includes(what.replace(/\s+/g, ' ')), `${command.name}: ${line}`);
    }
  }
});

test('no command names an option twice, or refuses one that it has', async (t) => {
  for (const entry of commands) {
    const { command } = await entry.load();
    const own = [...command.options, ...refusedOptions(command.refused ?? {})];
    // A runtime's --root is that of its records; docker's --storage-opt of run is another than podman's of the store.
    const shadowed = ['help', 'storage-opt', ...(command.name.startsWith('oci ') ? ['root'] : [])];
    const globals = globalOptions.filter(({ name }) => !shadowed.includes(name));
    const all: readonly OptionSpec[] = [...own, ...globals];
    const names = all.flatMap(({ name, aliases = [] }) => [name, ...aliases]);
    const shorts = all.flatMap(({ short }) => (short === undefined ? [] : [short]));
    t.deepEqual(
      [...names, ...shorts].filter((name, index, list) => list.indexOf(name) !== index),
      [],
      command.name,
    );
  }
});

test('the version is that of the package', (t) => {
  const text = readFileSync(join(repositoryRoot(), 'package.json'), 'utf8');
  const { version }: { version: string } = JSON.parse(text);
  t.is(coracleVersion, version);
});
