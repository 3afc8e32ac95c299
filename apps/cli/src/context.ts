import { Option, type Command } from 'commander'
import { parsePositive } from './argument.js'
import { withConnectionOptions, type ConnectionOptions } from './client-options.js'
import type { ContextSending, Delegating, KeyMaking } from './client/context-actions.js'
import { printData, talkOf, withTableOrJson, type WithOutput } from './output.js'

const actions = () => import('./client/context-actions.js')

/** `context …`: security contexts with keys that the server holds, and who may act for whom. */
export function registerContext(program: Command): void {
  const context = program.command('context').description('signing with keys that the server holds')
  registerKeys(context)
  registerDelegations(context)
  withTableOrJson(withConnectionOptions(context.command('send').description('sign files under one context, and send')))
    .argument('<queue>', 'where to')
    .argument('<files...>', 'the bodies, each a message')
    .option('--certificate <file>', 'a registered external certificate; the internal one without it')
    .option('--on-behalf-of <token-file>', 'act for who made the delegation that the token is of')
    .addOption(
      new Option('--level <level>', 'how they are protected').choices(['integrity', 'privacy']).default('integrity')
    )
    .option('--label <text>', 'what everybody may read of each')
    .action(async (queue: string, files: string[], options: WithOutput<ContextSending>) =>
      printData(await (await actions()).sendUnderContext(queue, files, options), options.output)
    )
}

function registerKeys(context: Command): void {
  withTableOrJson(withConnectionOptions(context.command('keys').description('your keys that the server holds'))).action(
    async (options: WithOutput<ConnectionOptions>) =>
      printData(await (await actions()).listHeldKeys(options), options.output)
  )
  withTableOrJson(
    withConnectionOptions(context.command('register').description('an internal certificate of a new key'))
  ).action(async (options: WithOutput<ConnectionOptions>) =>
    printData(await (await actions()).registerHeldKey(options), options.output)
  )
  withTableOrJson(withConnectionOptions(context.command('key').description('have the server make a key')))
    .addOption(
      new Option('--kind <kind>', 'what its certificate will be').choices(['internal', 'external']).default('external')
    )
    .action(async (options: WithOutput<KeyMaking>) =>
      printData(await (await actions()).makeHeldKey(options), options.output)
    )
  withConnectionOptions(context.command('destroy').description('destroy a key, and the contexts that sign with it'))
    .argument('<id>', 'of the key')
    .action(async (id: string, options: ConnectionOptions) => {
      await (await actions()).destroyHeldKey(id, options)
      talkOf(context).say(`The key ${id} is gone.`)
    })
}

function registerDelegations(context: Command): void {
  withTableOrJson(withConnectionOptions(context.command('delegate').description('let an account act for you')))
    .argument('<sid>', 'of the account')
    .option('--days <number>', 'for so long, 30 at most', parsePositive, 1)
    .requiredOption('--token-out <file>', 'a new file, for the token that the account acts by')
    .action(async (sid: string, options: WithOutput<Delegating>) =>
      printData(await (await actions()).delegate(sid, options), options.output)
    )
  withTableOrJson(
    withConnectionOptions(context.command('delegations').description('those that you gave and have'))
  ).action(async (options: WithOutput<ConnectionOptions>) =>
    printData(await (await actions()).listDelegations(options), options.output)
  )
  withConnectionOptions(context.command('revoke').description('end a delegation that you gave or have'))
    .argument('<id>', 'of the delegation')
    .action(async (id: string, options: ConnectionOptions) => {
      await (await actions()).revokeDelegation(id, options)
      talkOf(context).say(`The delegation ${id} has ended.`)
    })
}
