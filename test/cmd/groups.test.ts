/** Commands of two words. */
import test from 'ava';
import { commands, findCommand, firstWords, groups, verbsOf } from '../../cmd/commands.js';
import { groupHelp } from '../../cmd/help.js';

test('every group has verbs, and every two-word command a group', (t) => {
  for (const group of groups) t.true(verbsOf(group).length > 0, group.name);
  const names = commands.flatMap(({ name, aliases = [] }) => [name, ...aliases]);
  for (const name of names.filter((one) => one.includes(' '))) {
    t.true(
      groups.some((group) => group.name === name.split(' ')[0]),
      name,
    );
    t.is(name.split(' ').length, 2, name);
  }
});

test('two words name a command of a group, and what follows is its own', (t) => {
  const found = findCommand(['builder', 'prune', '--force']);
  t.is(found?.kind === 'command' ? `${found.entry.name} ${found.words}` : undefined, 'builder prune 2');
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
