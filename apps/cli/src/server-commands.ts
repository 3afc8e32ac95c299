import { InvalidArgumentError, type Command } from 'commander'
import type { KeySpec } from '@app/keys'

// What these commands load is heavy (the server and its database), so each loads it when it runs.

const keySpecs: readonly KeySpec[] = ['rsa-2048', 'rsa-3072', 'rsa-4096', 'p-256', 'p-384', 'p-521', 'ed25519']

/** The commands for the person at the machine: the server itself, CAs, recovery agents, directory, templates. */
export function registerServerCommands(program: Command): void {
  registerServe(program)
  registerCa(program)
  registerAgent(program)
  registerDirectory(program)
  registerTemplate(program)
  registerConfig(program)
}

function registerServe(program: Command): void {
  program
    .command('serve')
    .description('run the server, all roles or some of them')
    .option('--role <role...>', 'serve these roles only: front, console, authority, archive')
    .option('--home <directory>', 'the directory of the installation')
    .action(async (options: { readonly role?: string[]; readonly home?: string }) => {
      const { serve } = await import('./serve.js')
      await serve(options)
    })
  program
    .command('demo')
    .description('archive a key, issue its certificate and open the archived key, in a folder that is removed again')
    .option('--keep', 'keep the folder')
    .action(async (options: { readonly keep?: boolean }) => {
      const { demo } = await import('./demo.js')
      await demo(options)
    })
}

interface CaInit {
  readonly name: string
  readonly subject?: string
  readonly key: KeySpec
  readonly years: number
  readonly subordinate?: boolean
  readonly certificate?: string
}

function registerCa(program: Command): void {
  const ca = program.command('ca').description('certification authorities')
  ca.command('init')
    .description('make a root CA, or a subordinate one: its request first, then its certificate')
    .requiredOption('--name <name>', 'what clients call it by')
    .option('--subject <dn>', 'its distinguished name; CN=<name> when not given')
    .option('--key <kind>', `its key: ${keySpecs.join(', ')}`, parseKeySpec, 'rsa-3072')
    .option('--years <number>', 'how long the root certificate lasts', parsePositive, 10)
    .option('--subordinate', 'print a certificate request for the parent CA to sign')
    .option('--certificate <file>', 'install the certificate that was awaited: PEM, with all parents up to the root')
    .action(async (options: CaInit) => {
      const actions = await import('./administration/ca-actions.js')
      if (options.certificate !== undefined) {
        say(`Installed. SHA-256 fingerprint ${await actions.installCaCertificate(options.name, options.certificate)}`)
      } else if (options.subordinate === true) {
        write(await actions.requestSubordinateCa(options))
        say(`Have it signed, then: certkeep ca init --name ${JSON.stringify(options.name)} --certificate FILE`)
      } else {
        const { pem, fingerprint } = await actions.createRootCa(options)
        write(pem)
        say(`SHA-256 fingerprint ${fingerprint}`)
      }
    })
  ca.command('info')
    .description('what CAs there are')
    .action(async () => writeJson(await (await import('./administration/ca-actions.js')).describeCas()))
  ca.command('certificate')
    .description('the certificate of a CA and its parents, PEM')
    .option('--ca <name>', 'which CA')
    .action(async (options: { readonly ca?: string }) =>
      write(await (await import('./administration/ca-actions.js')).exportCaCertificate(options.ca))
    )
  ca.command('crl')
    .description('sign and publish a CRL now')
    .option('--ca <name>', 'which CA')
    .action(async (options: { readonly ca?: string }) => {
      const { publishCrl } = await import('./administration/pipeline-actions.js')
      say(`CRL number ${await publishCrl(options.ca)} is published.`)
    })
  ca.command('exchange-cert')
    .description('the exchange certificate, made when there is none; or take over that of another CA')
    .option('--ca <name>', 'which CA')
    .option('--import-certificate <file>', 'an exchange certificate of another CA, PEM or DER')
    .option('--import-key <file>', 'its key, unencrypted PKCS#8, PEM or DER')
    .action(
      async (options: { readonly ca?: string; readonly importCertificate?: string; readonly importKey?: string }) => {
        const { ca, importCertificate: certificate, importKey: key } = options
        const which = ca === undefined ? {} : { ca }
        if (certificate !== undefined && key !== undefined) {
          const { importExchangeKey } = await import('./administration/ca-actions.js')
          say(`Imported the exchange key of serial number ${await importExchangeKey({ ...which, certificate, key })}.`)
        } else {
          write(await (await import('./administration/pipeline-actions.js')).exchangeCertificate(ca))
        }
      }
    )
}

function registerAgent(program: Command): void {
  const agent = program.command('agent').description('recovery agents: those who can open archived keys')
  agent
    .command('add')
    .argument('<certificate>', 'the agent’s certificate, PEM or DER')
    .description('add an agent by certificate')
    .requiredOption('--name <name>', 'who it is')
    .option('--ca <name>', 'which CA')
    .action(async (file: string, options: { readonly name: string; readonly ca?: string }) =>
      say(await (await import('./administration/agent-actions.js')).addAgent({ ...options, file }))
    )
  agent
    .command('new')
    .argument('<name>', 'who it is')
    .description('make a key and a certificate for an agent, for a trial, and add it')
    .requiredOption('--out <file>', 'the PKCS#12 file to write')
    .requiredOption('--password-file <file>', 'the file with its password; made when it does not exist')
    .option('--ca <name>', 'which CA')
    .action(
      async (name: string, options: { readonly out: string; readonly passwordFile: string; readonly ca?: string }) =>
        say(await (await import('./administration/agent-actions.js')).newAgent({ ...options, name }))
    )
  agent
    .command('list')
    .description('the agents of a CA')
    .option('--ca <name>', 'which CA')
    .action(async (options: { readonly ca?: string }) =>
      writeJson(await (await import('./administration/agent-actions.js')).listAgents(options.ca))
    )
  agent
    .command('retire')
    .argument('<number>', 'the agent’s number', parsePositive)
    .description('seal no more keys to an agent; what was sealed to it stays as it is')
    .action(async (id: number) => say(await (await import('./administration/agent-actions.js')).retireAgent(id)))
}

interface PrincipalCommand {
  readonly kind: string
  readonly domain: string
}

function registerDirectory(program: Command): void {
  const directory = program.command('directory').description('users and computers')
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
  directory
    .command('list')
    .description('all accounts')
    .action(async () => writeJson(await (await import('./administration/directory-actions.js')).listPrincipals()))
  directory
    .command('token')
    .argument('<account>', 'account or DOMAIN\\account')
    .description('make a bearer token')
    .option('--out <file>', 'write it to a new file that only you can read')
    .option('--ca <name>', 'good for this CA only')
    .option('--days <number>', 'how long it lasts', parsePositive, 90)
    .action(
      async (account: string, options: { readonly out?: string; readonly ca?: string; readonly days: number }) => {
        const token = await (await import('./administration/directory-actions.js')).issueToken({ ...options, account })
        if (token === undefined) say(`The token of ${account} is in ${options.out ?? ''}.`)
        else write(`${token}\n`)
      }
    )
  directory
    .command('secret')
    .argument('<account>', 'account or DOMAIN\\account')
    .description('make a one-time secret for the identity proof of CMC')
    .option('--hours <number>', 'how long it lasts', parsePositive, 72)
    .action(async (account: string, options: { readonly hours: number }) =>
      writeJson(await (await import('./administration/directory-actions.js')).issueSecret({ ...options, account }))
    )
}

function registerTemplate(program: Command): void {
  const template = program.command('template').description('certificate templates')
  template
    .command('list')
    .description('all templates')
    .action(async () => writeJson(await (await import('./administration/template-actions.js')).listTemplates()))
  template
    .command('show')
    .argument('<name>', 'which template')
    .description('a template as JSON')
    .action(async (name: string) =>
      writeJson(await (await import('./administration/template-actions.js')).showTemplate(name))
    )
  template
    .command('lint')
    .argument('<file>', 'a template as JSON')
    .description('what is unsafe in a template')
    .action(async (file: string) =>
      writeJson(await (await import('./administration/template-actions.js')).lintTemplateFile(file))
    )
  template
    .command('import')
    .argument('<file>', 'a template as JSON')
    .option('--ca <name>', 'which CA is to offer it')
    .description('add a template, make it active and offer it; an unsafe one stays a draft')
    .action(async (file: string, options: { readonly ca?: string }) =>
      say(await (await import('./administration/template-actions.js')).importTemplate(file, options.ca))
    )
}

function registerConfig(program: Command): void {
  const config = program.command('config').description('the configuration of the server')
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
    .action(async () => write((await import('./administration/config-actions.js')).configReference()))
}

function parseKeySpec(text: string): KeySpec {
  const found = keySpecs.find(spec => spec === text)
  if (found === undefined) throw new InvalidArgumentError(`one of ${keySpecs.join(', ')}`)
  return found
}

function parsePositive(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('a positive number')
  return Number(text)
}

function parseKind(text: string): 'user' | 'computer' {
  if (text === 'user' || text === 'computer') return text
  throw new InvalidArgumentError('user or computer')
}

function write(text: string): void {
  process.stdout.write(text)
}

function writeJson(value: unknown): void {
  write(`${JSON.stringify(value, undefined, 2)}\n`)
}

function say(text: string): void {
  process.stderr.write(`${text}\n`)
}
