import type { Command } from 'commander'
import { print, talkOf } from './output.js'

/** `config …`: the settings of the server. */
export function registerConfig(program: Command): void {
  const config = program.command('config').description('the configuration of the server')
  const say = (text: string): void => talkOf(config).say(text)
  config
    .command('check')
    .description('check the settings in force')
    .action(async () => {
      const { loadConfig } = await import('./administration/config-actions.js')
      loadConfig(process.env)
      say('The configuration is valid.')
    })
  config
    .command('reference')
    .description('every setting, its meaning and its default')
    .action(async () => print((await import('./administration/config-actions.js')).configReference()))
}
