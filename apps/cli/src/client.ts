import { Option, type Command } from 'commander'
import { parsePositive } from './argument.js'
import { collect, withConnectionOptions, type ConnectionOptions } from './client-options.js'
import type { ClientListing } from './client/client-console-actions.js'
import type { RegistrationOptions } from './client/registration-actions.js'
import { printData, talkOf, withTableOrJson, type WithOutput } from './output.js'

const consoleActions = () => import('./client/client-console-actions.js')
const registrationActions = () => import('./client/registration-actions.js')

type Decision = WithOutput<ConnectionOptions & { readonly comment?: string; readonly reason?: string }>

/** `client …`: registering this computer with a management point, and looking after those that have registered. */
export function registerClient(program: Command): void {
  const client = program.command('client').description('clients that register with a management point')
  registerRegistering(client)
  registerLooking(client)
  registerDeciding(client)
}

function withRegistrationOptions(command: Command): Command {
  return withTableOrJson(command)
    .requiredOption('--stores <folder>', 'folder with the certificate stores of this computer and its registration')
    .option('--host <name>', 'the management point; this machine unless told')
    .option('--port <number>', 'its port; 8080 in mixed mode and 44443 in native mode unless told', parsePositive)
    .addOption(new Option('--mode <mode>', 'how to speak with it').choices(['mixed', 'native']).default('mixed'))
    .option('--thumbprint <hex>', 'sign with this certificate of the store "my"; one is made in mixed mode')
    .option('--trust <file>', 'PEM of the roots that its TLS certificate must chain to')
    .option('--no-crl', 'do not look whether its TLS certificate is revoked')
    .option('--proxy <address>', 'http://host:port of a proxy')
}

function registerRegistering(client: Command): void {
  withRegistrationOptions(client.command('register').description('register this computer; 3 while it is pending'))
    .option('--name <text>', 'NetBIOS name; that of this computer unless told')
    .option('--fqdn <name>', 'full name; that of this computer unless told')
    .option('--smsid <id>', 'the identifier that is wanted')
    .option('--property <name=value>', 'another discovery property; repeatable', collect, [])
    .option('--management-point <file>', 'PEM of a signing certificate to trust; repeatable', collect, [])
    .option('--wait', 'until it is decided')
    .option('--enroll <template>', 'then get a certificate of this template into the store "my"; implies --wait')
    .action(async (options: WithOutput<RegistrationOptions>, command: Command) =>
      printData(await (await registrationActions()).register(options, talkOf(command)), options.output)
    )
  for (const [name, description] of [
    ['confirm', 'ask once what became of the registration; 3 while it is pending'],
    ['wait', 'ask until the registration is decided']
  ] as const) {
    withRegistrationOptions(client.command(name).description(description)).action(
      async (options: WithOutput<RegistrationOptions>, command: Command) =>
        printData(
          await (await registrationActions()).confirm(options, name === 'wait', talkOf(command)),
          options.output
        )
    )
  }
  withTableOrJson(client.command('status').description('what is known of the registration, without asking'))
    .requiredOption('--stores <folder>', 'folder with the certificate stores of this computer and its registration')
    .action(async (options: WithOutput<Pick<RegistrationOptions, 'stores'>>) =>
      printData(await (await registrationActions()).statusOf(options), options.output)
    )
}

function registerLooking(client: Command): void {
  withTableOrJson(withConnectionOptions(client.command('list').description('clients that have registered')))
    .addOption(new Option('--status <status>', 'in this state').choices(['pending', 'registered', 'rejected']))
    .addOption(
      new Option('--approval <approval>', 'so approved').choices(['not_approved', 'approved', 'not_applicable'])
    )
    .option('--blocked', 'blocked ones only')
    .option('--name <text>', 'whose NetBIOS name or full name begins so')
    .action(async (options: WithOutput<ClientListing>) =>
      printData(await (await consoleActions()).listClients(options), options.output)
    )
  withTableOrJson(withConnectionOptions(client.command('show').description('one client')))
    .argument('<smsid>', 'GUID:…')
    .action(async (smsid: string, options: WithOutput<ConnectionOptions>) =>
      printData(await (await consoleActions()).showClient(smsid, options), options.output)
    )
  withTableOrJson(
    withConnectionOptions(client.command('conflicts').description('clients with the hardware identifier of another'))
  )
    .option('--all', 'resolved ones too')
    .action(async (options: WithOutput<ConnectionOptions & { readonly all?: boolean }>) =>
      printData(await (await consoleActions()).listConflicts(options), options.output)
    )
}

function registerDeciding(client: Command): void {
  for (const [verb, description] of [
    ['approve', 'approve a registered client, which may have secrets then'],
    ['unapprove', 'take an approval back'],
    ['block', 'refuse a client and revoke its certificates'],
    ['unblock', 'lift a block; what was revoked stays revoked']
  ] as const) {
    const command = withTableOrJson(withConnectionOptions(client.command(verb).description(description)))
      .argument('<smsid>', 'GUID:…')
      .option('--comment <text>', 'why, for the record')
    if (verb === 'block') command.option('--reason <reason>', 'that certificates are revoked for', 'privilegeWithdrawn')
    command.action(async (smsid: string, options: Decision) =>
      printData(await (await consoleActions()).decideClient(verb, smsid, options), options.output)
    )
  }
  withConnectionOptions(client.command('resolve').description('say what two clients with one hardware identifier are'))
    .argument('<id>', 'the conflict')
    .argument('<resolution>', 'keep (refuse the newcomer), new (they are two) or merge (they are one)')
    .option('--comment <text>', 'why, for the record')
    .action(async (id: string, resolution: string, options: ConnectionOptions & { readonly comment?: string }) => {
      await (await consoleActions()).resolveConflict(id, resolution, options)
      talkOf(client).say(`${id} is resolved: ${resolution}.`)
    })
}
