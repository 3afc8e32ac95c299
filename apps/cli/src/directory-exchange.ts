import type { Command } from 'commander'
import { withConnectionOptions, type ConnectionOptions } from './client-options.js'
import type { StoreOptions } from './client/directory-exchange-actions.js'
import { print, printData, talkOf, withTableOrJson, type WithOutput } from './output.js'

const actions = () => import('./client/directory-exchange-actions.js')

/** The part of `directory …` that registers certificates, and takes accounts in and out. */
export function registerDirectoryExchange(directory: Command): void {
  registerCertificates(directory)
  registerFiles(directory)
  registerLdap(directory)
}

function registerCertificates(directory: Command): void {
  const certificate = directory.command('certificate').description('certificates that accounts have registered')
  withTableOrJson(withConnectionOptions(certificate.command('register')))
    .description('register a certificate of your own (MQRegisterCertificate)')
    .argument('[file]', 'an external certificate, DER or PEM; without it an internal one is made')
    .requiredOption('--store <folder>', 'folder with your own certificates and keys')
    .option('--passphrase-file <file>', 'the file with the passphrase of the keys there')
    .option('--if-not-exist', 'only when the store has no internal certificate')
    .action(async (file: string | undefined, options: WithOutput<StoreOptions & { readonly ifNotExist?: boolean }>) =>
      printData(await (await actions()).registerCertificate(file, options), options.output)
    )
  withTableOrJson(withConnectionOptions(certificate.command('list')))
    .description('the registered certificates of an account')
    .argument('[account]', 'SID, UPN, account or DOMAIN\\account', 'me')
    .action(async (account: string, options: WithOutput<ConnectionOptions>) =>
      printData(await (await actions()).listCertificates(account, options), options.output)
    )
  withConnectionOptions(certificate.command('fetch'))
    .description('a registered certificate, DER')
    .argument('<digest>', 'its MD5 digest')
    .option('--account <account>', 'SID, UPN, account or DOMAIN\\account', 'me')
    .action(async (digest: string, { account, ...options }: ConnectionOptions & { readonly account: string }) =>
      print(await (await actions()).fetchCertificate(account, digest, options))
    )
  withConnectionOptions(certificate.command('deregister'))
    .description('take a certificate from the directory')
    .argument('<digest>', 'its MD5 digest')
    .option('--account <account>', 'that of another account, as an administrator')
    .action(async (digest: string, options: ConnectionOptions & { readonly account?: string }, command: Command) => {
      await (await actions()).deregisterCertificate(digest, options)
      talkOf(command).say(`The certificate ${digest} is no longer registered.`)
    })
}

function registerFiles(directory: Command): void {
  withConnectionOptions(directory.command('export').description('write users, computers and groups as LDIF'))
    .argument('<file>', 'a new file')
    .action(async (file: string, options: ConnectionOptions, command: Command) => {
      await (await actions()).exportDirectory(file, options)
      talkOf(command).say(`The directory is in ${file}.`)
    })
  withTableOrJson(withConnectionOptions(directory.command('import')))
    .description('add and change users, computers and groups from LDIF')
    .argument('<file>', 'an LDIF file, as of ldifde or ldapsearch')
    .option('--domain <name>', 'domain of the accounts; else what the file says')
    .action(async (file: string, options: WithOutput<ConnectionOptions & { readonly domain?: string }>) =>
      printData(await (await actions()).importDirectory(file, options), options.output)
    )
}

function registerLdap(directory: Command): void {
  withTableOrJson(withConnectionOptions(directory.command('publications')))
    .description('certificates that the LDAP server has not taken so far')
    .action(async (options: WithOutput<ConnectionOptions>) =>
      printData(await (await actions()).listPublications(options), options.output)
    )
  const ldap = directory.command('ldap').description('the LDAP server that accounts come from')
  withTableOrJson(withConnectionOptions(ldap.command('sync').description('read the LDAP server now')))
    .option('--full', 'every entry, changed or not')
    .option('--accept-removals', 'disable who is gone, however many')
    .action(
      async (options: WithOutput<ConnectionOptions & { readonly full?: boolean; readonly acceptRemovals?: boolean }>) =>
        printData(await (await actions()).readLdap(options), options.output)
    )
  withTableOrJson(withConnectionOptions(ldap.command('status').description('how the LDAP server was read'))).action(
    async (options: WithOutput<ConnectionOptions>) =>
      printData(await (await actions()).ldapStatus(options), options.output)
  )
  withTableOrJson(withConnectionOptions(ldap.command('refused').description('entries that could not be taken'))).action(
    async (options: WithOutput<ConnectionOptions>) =>
      printData(await (await actions()).refusedEntries(options), options.output)
  )
}
