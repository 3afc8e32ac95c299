import { Argument, Option, type Command } from 'commander'
import { OPERATOR_ROLES, type OperatorRole } from '@app/policy'
import { parsePositive } from './argument.js'
import { collect, withConnectionOptions, type ConnectionOptions } from './client-options.js'
import type { EnrollOperatorCommand } from './client/operator-enrollment.js'
import type { ListOperators, ScopeOptions } from './client/operator-actions.js'
import { outputOption, print, printData, talkOf, withTableOrJson, type WithOutput } from './output.js'

const actions = () => import('./client/operator-actions.js')

function withScopeOptions(command: Command): Command {
  return withConnectionOptions(command)
    .option('--scope-template <name>', 'an officer decides on requests for this template only; repeatable', collect, [])
    .option('--scope-group <name>', 'an officer decides for members of this group only; repeatable', collect, [])
}

/** `operator …`: who operates the CAs. */
export function registerOperator(program: Command): void {
  const operator = program.command('operator').description('who operates the CAs, and as what')
  registerRoles(operator)
  registerInvitations(operator)
  registerSessions(operator)
  registerAgentScopes(operator)
}

function registerRoles(operator: Command): void {
  withTableOrJson(withConnectionOptions(operator.command('list').description('who holds which role')))
    .option('--account <name>', 'of this account only')
    .addOption(new Option('--role <role>', 'of this role only').choices(OPERATOR_ROLES))
    .option('--revoked', 'roles that were revoked too')
    .action(async (options: WithOutput<ListOperators>) =>
      printData(await (await actions()).listOperators(options), options.output)
    )
  withTableOrJson(withScopeOptions(operator.command('grant')))
    .description('give a role to somebody; for every CA unless --ca is given')
    .argument('<account>', 'DOMAIN\\account')
    .addArgument(new Argument('<role>', 'the role').choices(OPERATOR_ROLES))
    .action(async (account: string, role: OperatorRole, options: WithOutput<ConnectionOptions & ScopeOptions>) =>
      printData(await (await actions()).grantRole(account, role, options), options.output)
    )
  withConnectionOptions(operator.command('revoke').description('take a role away, at once'))
    .argument('<id>', 'the id that "operator list" tells')
    .action(async (id: string, options: ConnectionOptions) => {
      await (await actions()).revokeRole(id, options)
      talkOf(operator).say(`The role ${id} is revoked.`)
    })
}

function registerInvitations(operator: Command): void {
  withScopeOptions(operator.command('invite'))
    .description(
      'make a link by which somebody becomes an operator; without --role, at the machine itself, an administrator'
    )
    .addOption(new Option('--role <role>', 'what the redeemer becomes').choices(OPERATOR_ROLES))
    .option('--hours <number>', 'how long the link can be redeemed', parsePositive, 24)
    .action(
      async (options: ConnectionOptions & ScopeOptions & { readonly role?: OperatorRole; readonly hours: number }) => {
        const { role } = options
        const link =
          role === undefined
            ? await (await import('./administration/operator-actions.js')).inviteLocally()
            : (await (await actions()).invite(role, options)).link
        await print(`${link}\n`)
      }
    )
  operator
    .command('enroll')
    .argument('<link>', 'the link of an invitation, quoted')
    .description('become an operator: redeem a link, make a key here and get the certificate to sign in with')
    .requiredOption('--p12 <file>', 'the PKCS#12 file for key and certificate')
    .requiredOption('--password-file <file>', 'the file with its password; one is made when there is none')
    .requiredOption('--account <name>', 'the name of your account')
    .requiredOption('--display-name <text>', 'your name for people, which stands in the certificate')
    .option('--enrollment-url <address>', 'where to enroll, when the console is at another address than the front')
    .option('--trust <file>', 'PEM of the trusted root')
    .option('--fingerprint <hex>', 'SHA-256 fingerprint of the root to trust, instead of --trust')
    .addOption(outputOption('table', 'json'))
    .action(async (link: string, options: EnrollOperatorCommand, command: Command) => {
      const { enrollOperator } = await import('./client/operator-enrollment.js')
      await enrollOperator(link, options, talkOf(command))
    })
}

function registerSessions(operator: Command): void {
  withTableOrJson(withConnectionOptions(operator.command('who').description('who you are to the server'))).action(
    async (options: WithOutput<ConnectionOptions>) => printData(await (await actions()).whoAmI(options), options.output)
  )
  withTableOrJson(withConnectionOptions(operator.command('sessions')))
    .description('the browsers in which an account is signed in')
    .argument('<account>', 'DOMAIN\\account')
    .option('--end', 'end all of them')
    .action(async (account: string, options: WithOutput<ConnectionOptions & { readonly end?: boolean }>) =>
      printData(await (await actions()).sessionsOf(account, options), options.output)
    )
}

function registerAgentScopes(operator: Command): void {
  const scope = operator.command('scope').description('for whom enrollment agents may ask')
  withTableOrJson(withConnectionOptions(scope.command('list').description('for whom enrollment agents may ask')))
    .option('--account <name>', 'of this agent only')
    .action(async (options: WithOutput<ConnectionOptions & { readonly account?: string }>) =>
      printData(await (await actions()).listAgentScopes(options), options.output)
    )
  withTableOrJson(withConnectionOptions(scope.command('grant')))
    .description('let an agent ask; at every CA unless --ca is given')
    .argument('<account>', 'DOMAIN\\account of the agent')
    .requiredOption('--template <name>', 'for certificates of this template')
    .requiredOption('--subject-group <name>', 'for members of this group')
    .action(
      async (
        account: string,
        options: WithOutput<ConnectionOptions & { readonly template: string; readonly subjectGroup: string }>
      ) => printData(await (await actions()).grantAgentScope(account, options), options.output)
    )
  withConnectionOptions(scope.command('revoke').description('let an agent ask for them no more'))
    .argument('<id>', 'the id that "operator scope list" tells')
    .action(async (id: string, options: ConnectionOptions) => {
      await (await actions()).revokeAgentScope(id, options)
      talkOf(operator).say(`The scope ${id} is revoked.`)
    })
}
