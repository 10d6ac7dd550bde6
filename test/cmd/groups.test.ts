/** Commands of two words. */
import test from 'ava';
import { refusedOptions } from '../../cmd/command.js';
import { commands, findCommand, firstWords, groups, verbsOf } from '../../cmd/commands.js';
import { groupHelp } from '../../cmd/help.js';
import { refusedCommand } from '../../cmd/refused-commands.js';

test('every group has verbs, and every command of several words a group', (t) => {
  for (const group of groups) t.true(verbsOf(group).length > 0, group.name);
  const names = commands.flatMap(({ name, aliases = [] }) => [name, ...aliases]);
  for (const name of names.filter((one) => one.includes(' '))) {
    t.true(
      groups.some((group) => group.name === name.split(' ')[0]),
      name,
    );
    t.true(name.split(' ').length <= 3, name);
  }
});

test('two words name a command of a group, and what follows is its own', (t) => {
  const found = findCommand(['builder', 'prune', '--force']);
  t.is(found?.kind === 'command' ? `${found.entry.name} ${found.words}` : undefined, 'builder prune 2');
});

test('a verb may have two words', (t) => {
  const found = findCommand(['image', 'trust', 'show', '--raw']);
  t.is(found?.kind === 'command' ? `${found.entry.name} ${found.words}` : undefined, 'image trust show 3');
  t.is(findCommand(['image', 'trust'])?.kind, 'group');
});

test('a group alone, or with a verb it does not have, is no command', (t) => {
  for (const words of [['builder'], ['builder', 'bake'], ['builder', '--help']])
    t.is(findCommand(words)?.kind, 'group', words.join(' '));
  t.is(findCommand(['nothing']), undefined);
});

test('a command of one word does not swallow its operand', (t) => {
  const found = findCommand(['rm', 'prune']);
  t.is(found?.kind === 'command' ? found.words : undefined, 1);
});

test('words that may stand first are commands of one word and groups', (t) => {
  t.true(firstWords().includes('builder'));
  t.false(firstWords().some((word) => word.includes(' ')));
});

test("a group's help lists its verbs with their summaries", (t) => {
  for (const group of groups) {
    const help = groupHelp(group);
    for (const { verb, entry } of verbsOf(group)) t.true(help.includes(verb) && help.includes(entry.summary));
  }
});

test('commands that have no meaning here are refused by name', (t) => {
  for (const verb of ['migrate', 'renumber', 'service', 'connection']) {
    const refused = refusedCommand('system', verb);
    t.true(refused?.message.startsWith(`use system ${verb}: `), verb);
    t.truthy(refused?.hint);
    t.is(findCommand(['system', verb])?.kind, 'group');
  }
  t.is(refusedCommand('system', 'df'), undefined);
});

test('no command has an option twice, nor one that it refuses as well', async (t) => {
  for (const { name, load } of commands) {
    const { command } = await load();
    const options = [...command.options, ...refusedOptions(command.refused ?? {})];
    const names = options.flatMap((option) => [option.name, ...(option.aliases ?? [])]);
    const letters = options.flatMap(({ short }) => (short === undefined ? [] : [short]));
    for (const all of [names, letters]) {
      const twice = all.filter((one, at) => all.indexOf(one) !== at);
      t.deepEqual(twice, [], name);
    }
  }
});
