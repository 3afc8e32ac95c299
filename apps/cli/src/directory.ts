import type { Command } from 'commander'
import { parseKind, parsePositive } from './argument.js'
import { collect } from './client-options.js'
import { registerDirectoryConsole } from './directory-console.js'
import { registerDirectoryExchange } from './directory-exchange.js'
import { print, printData, talkOf, withTableOrJson, type WithOutput } from './output.js'

interface PrincipalCommand {
  readonly kind: string
  readonly domain: string
}

interface TokenCommand {
  readonly out?: string
  readonly ca?: string
  readonly days: number
  readonly scope: readonly string[]
}

/** `directory …`: accounts, for the person at the machine; and all of the directory, for administrators. */
export function registerDirectory(program: Command): void {
  const directory = program.command('directory').description('users, computers and groups')
  const say = (text: string): void => talkOf(directory).say(text)
  directory
    .command('add')
    .argument('<account>', 'the account’s name')
    .description('add a user or computer')
    .option('--kind <kind>', 'user or computer', parseKind, 'user')
    .requiredOption('--domain <name>', 'its domain')
    .option('--display-name <text>', 'the name for people')
    .option('--distinguished-name <dn>', 'its place in the directory')
    .option('--upn <name>', 'its user principal name')
    .option('--mail <address>', 'its mail address')
    .option('--dns <name>', 'its host name')
    .option('--sid <sid>', 'its security identifier; one is allocated when not given')
    .option('--group <name...>', 'further groups')
    .action(async (accountName: string, options: PrincipalCommand & { readonly kind: 'user' | 'computer' }) => {
      const { addPrincipal } = await import('./administration/directory-actions.js')
      say(`Added ${options.domain}\\${accountName}, ${await addPrincipal({ ...options, accountName })}.`)
    })
  withTableOrJson(directory.command('list'))
    .description('all accounts')
    .action(async ({ output }: WithOutput) =>
      printData(await (await import('./administration/directory-actions.js')).listPrincipals(), output)
    )
  directory
    .command('token')
    .argument('<account>', 'account or DOMAIN\\account')
    .description('make a bearer token')
    .option('--out <file>', 'write it to a new file that only you can read')
    .option('--ca <name>', 'good for this CA only')
    .option('--days <number>', 'how long it lasts', parsePositive, 90)
    .option('--scope <name>', 'what it is good for, enroll or console; repeatable, enroll when left out', collect, [])
    .action(async (account: string, options: TokenCommand) => {
      const token = await (await import('./administration/directory-actions.js')).issueToken({ ...options, account })
      if (token === undefined) say(`The token of ${account} is in ${options.out ?? ''}.`)
      else await print(`${token}\n`)
    })
  withTableOrJson(directory.command('secret'))
    .argument('<account>', 'account or DOMAIN\\account')
    .description('make a one-time secret for the identity proof of CMC')
    .option('--hours <number>', 'how long it lasts', parsePositive, 72)
    .action(async (account: string, options: WithOutput<{ readonly hours: number }>) =>
      printData(
        await (await import('./administration/directory-actions.js')).issueSecret({ ...options, account }),
        options.output
      )
    )
  registerDirectoryConsole(directory)
  registerDirectoryExchange(directory)
}
