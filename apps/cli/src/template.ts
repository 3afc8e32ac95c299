import type { Command } from 'commander'
import { printJson, talkOf } from './output.js'

/** `template …`: certificate templates, for the person at the machine. */
export function registerTemplate(program: Command): void {
  const template = program.command('template').description('certificate templates')
  const say = (text: string): void => talkOf(template).say(text)
  template
    .command('list')
    .description('all templates')
    .action(async () => printJson(await (await import('./administration/template-actions.js')).listTemplates()))
  template
    .command('show')
    .argument('<name>', 'which template')
    .description('a template as JSON')
    .action(async (name: string) =>
      printJson(await (await import('./administration/template-actions.js')).showTemplate(name))
    )
  template
    .command('lint')
    .argument('<file>', 'a template as JSON')
    .description('what is unsafe in a template')
    .action(async (file: string) =>
      printJson(await (await import('./administration/template-actions.js')).lintTemplateFile(file))
    )
  template
    .command('import')
    .argument('<file>', 'a template as JSON')
    .description('add a template as a draft, which an operator activates')
    .action(async (file: string) =>
      say(await (await import('./administration/template-actions.js')).importTemplate(file))
    )
}
