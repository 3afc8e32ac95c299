import { Option, type Command } from 'commander'
import { collect, withConnectionOptions, type ConnectionOptions } from './client-options.js'
import type { SearchOptions } from './client/directory-console-actions.js'
import { printData, printJson, talkOf, withTableOrJson, type OutputFormat, type WithOutput } from './output.js'

const actions = () => import('./client/directory-console-actions.js')

interface ChangeOptions extends ConnectionOptions {
  readonly displayName?: string
  readonly distinguishedName?: string
  readonly upn?: string
  readonly mail?: string
  readonly dns?: string
  readonly guid?: string
  readonly spn: readonly string[]
  readonly altIdentity: readonly string[]
  readonly output: OutputFormat
}

interface EnrollmentOptions extends ConnectionOptions {
  readonly group: readonly string[]
  readonly anybody?: boolean
  readonly output: OutputFormat
}

/** The part of `directory …` that administrators use over the console. */
export function registerDirectoryConsole(directory: Command): void {
  const say = (text: string): void => talkOf(directory).say(text)
  registerEntries(directory, say)
  registerGroups(directory, say)
  withTableOrJson(withConnectionOptions(directory.command('tokens').description('the tokens of an account')))
    .argument('<account>', 'account or DOMAIN\\account')
    .option('--revoke <id>', 'revoke this one first')
    .action(async (account: string, options: WithOutput<ConnectionOptions & { readonly revoke?: string }>) =>
      printData(await (await actions()).tokensOf(account, options), options.output)
    )
  withTableOrJson(
    withConnectionOptions(directory.command('enrollment').description('the groups that may enroll at a CA'))
  )
    .argument('<ca>', 'the CA')
    .option('--group <name>', 'let members of this group, and of no others but those named; repeatable', collect, [])
    .option('--anybody', 'let whoever a template lets')
    .action(async (ca: string, { group, anybody, ...options }: EnrollmentOptions) => {
      const groups = anybody === true ? null : group.length > 0 ? group : undefined
      const enrolling = await (await actions()).enrollmentAt(ca, { ...options, groups })
      if (options.output === 'json') return printJson(enrolling)
      return printData({ groups: enrolling ?? 'whoever a template lets' }, options.output)
    })
}

function registerEntries(directory: Command, say: (text: string) => void): void {
  withTableOrJson(withConnectionOptions(directory.command('search').description('users, computers and groups')))
    .addOption(new Option('--kind <kind>', 'of this kind only').choices(['user', 'computer', 'group']))
    .option('--name <text>', 'whose account name, UPN, mail address or DNS name begins so')
    .option('--domain <name>', 'of this domain only')
    .option('--group <name>', 'members of this group only, through others too')
    .option('--disabled', 'disabled ones only')
    .option('--sid <sid>', 'with this security identifier')
    .option('--guid <guid>', 'with this objectGUID')
    .option('--spn <name>', 'with this service principal name')
    .option('--alt-identity <mapping>', 'with this certificate mapping')
    .action(async (options: WithOutput<SearchOptions>) =>
      printData(await (await actions()).searchDirectory(options), options.output)
    )
  withTableOrJson(withConnectionOptions(directory.command('show').description('one account or group')))
    .argument('<account>', 'account or DOMAIN\\account')
    .action(async (account: string, options: WithOutput<ConnectionOptions>) =>
      printData(await (await actions()).showEntry(account, options), options.output)
    )
  withTableOrJson(
    withConnectionOptions(directory.command('change').description('change attributes; an empty text takes one away'))
  )
    .argument('<account>', 'account or DOMAIN\\account')
    .option('--display-name <text>', 'the name for people')
    .option('--distinguished-name <dn>', 'its place in the directory')
    .option('--upn <name>', 'its user principal name')
    .option('--mail <address>', 'its mail address')
    .option('--dns <name>', 'its host name')
    .option('--guid <guid>', 'its objectGUID')
    .option('--spn <name>', 'a service principal name; repeatable, in place of all that it has', collect, [])
    .option('--alt-identity <mapping>', 'a certificate mapping; repeatable, in place of all', collect, [])
    .action(async (account: string, options: ChangeOptions) => {
      const { displayName, distinguishedName, upn, mail, dns: dnsName, guid, spn, altIdentity, ...connection } = options
      const lists = { servicePrincipalNames: spn, altSecurityIdentities: altIdentity }
      const attributes = { displayName, distinguishedName, upn, mail, dnsName, guid, ...lists }
      await printData(await (await actions()).changeEntry(account, attributes, connection), connection.output)
    })
  for (const disabled of [true, false]) {
    const description = disabled ? 'end what an account may do, at once' : 'let an account be used again'
    withConnectionOptions(directory.command(disabled ? 'disable' : 'enable').description(description))
      .argument('<account>', 'account or DOMAIN\\account')
      .action(async (account: string, options: ConnectionOptions) => {
        await (await actions()).setDisabled(account, disabled, options)
        say(`${account} is ${disabled ? 'disabled' : 'enabled'}.`)
      })
  }
}

function registerGroups(directory: Command, say: (text: string) => void): void {
  const group = directory.command('group').description('groups')
  withTableOrJson(withConnectionOptions(group.command('add').description('add a group')))
    .argument('<name>', 'its name')
    .action(async (name: string, options: WithOutput<ConnectionOptions>) =>
      printData(await (await actions()).addGroup(name, options), options.output)
    )
  withTableOrJson(withConnectionOptions(group.command('members').description('those directly in a group')))
    .argument('<name>', 'the group')
    .action(async (name: string, options: WithOutput<ConnectionOptions>) =>
      printData(await (await actions()).listMembers(name, options), options.output)
    )
  const member = directory.command('member').description('who is in a group')
  for (const isMember of [true, false]) {
    const description = isMember ? 'put an account or a group into a group' : 'take one out of a group'
    withConnectionOptions(member.command(isMember ? 'add' : 'remove').description(description))
      .argument('<group>', 'the group')
      .argument('<account>', 'an account, DOMAIN\\account or another group')
      .action(async (group: string, account: string, options: ConnectionOptions) => {
        await (await actions()).setMember(group, account, { ...options, isMember })
        say(`${account} is ${isMember ? 'now' : 'no longer'} in ${group}.`)
      })
  }
}
