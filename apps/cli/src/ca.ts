import type { Command } from 'commander'
import { AppError } from '@app/core'
import type { KeySpec } from '@app/keys'
import { KEY_KINDS, parseKeySpec, parsePositive } from './argument.js'
import { print, printData, talkOf, withTableOrJson, type WithOutput } from './output.js'

interface CaRotate {
  readonly ca?: string
  readonly key?: KeySpec
  readonly sameKey?: boolean
  readonly years: number
  readonly certificate?: string
  readonly withdraw?: boolean
}

interface CaInit {
  readonly name: string
  readonly subject?: string
  readonly key: KeySpec
  readonly years: number
  readonly subordinate?: boolean
  readonly certificate?: string
}

/** `ca …`: certification authorities, for the person at the machine. */
export function registerCa(program: Command): void {
  const ca = program.command('ca').description('certification authorities')
  const say = (text: string): void => talkOf(ca).say(text)
  ca.command('init')
    .description('make a root CA, or a subordinate one: its request first, then its certificate')
    .requiredOption('--name <name>', 'what clients call it by')
    .option('--subject <dn>', 'its distinguished name; CN=<name> when not given')
    .option('--key <kind>', `its key: ${KEY_KINDS.join(', ')}`, parseKeySpec, 'rsa-3072')
    .option('--years <number>', 'how long the root certificate lasts', parsePositive, 10)
    .option('--subordinate', 'print a certificate request for the parent CA to sign')
    .option('--certificate <file>', 'install the certificate that was awaited: PEM, with all parents up to the root')
    .action(async (options: CaInit) => {
      const actions = await import('./administration/ca-actions.js')
      if (options.certificate !== undefined) {
        say(`Installed. SHA-256 fingerprint ${await actions.installCaCertificate(options.name, options.certificate)}`)
      } else if (options.subordinate === true) {
        await print(await actions.requestSubordinateCa(options))
        say(`Have it signed, then: certkeep ca init --name ${JSON.stringify(options.name)} --certificate FILE`)
      } else {
        const { pem, fingerprint } = await actions.createRootCa(options)
        await print(pem)
        say(`SHA-256 fingerprint ${fingerprint}`)
      }
    })
  registerRotate(ca, say)
  registerInfo(ca)
  ca.command('certificate')
    .description('the certificate of a CA and its parents, PEM')
    .option('--ca <name>', 'which CA')
    .action(async (options: { readonly ca?: string }) =>
      print(await (await import('./administration/ca-actions.js')).exportCaCertificate(options.ca))
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
          await print(await (await import('./administration/pipeline-actions.js')).exchangeCertificate(ca))
        }
      }
    )
}

function registerRotate(ca: Command, say: (text: string) => void): void {
  ca.command('rotate')
    .description('renew the certificate of a CA: a root at once, a subordinate by its request, then its certificate')
    .option('--ca <name>', 'which CA')
    .option('--key <kind>', `a new key of another kind: ${KEY_KINDS.join(', ')}`, parseKeySpec)
    .option('--same-key', 'keep the key; a new one of the same kind is made otherwise')
    .option('--years <number>', 'how long the new root certificate lasts', parsePositive, 10)
    .option('--certificate <file>', 'install the certificate that was awaited: PEM, with all parents up to the root')
    .option('--withdraw', 'take back the request of a subordinate that its parent has not answered')
    .action(async (options: CaRotate) => {
      const actions = await import('./administration/renewal-actions.js')
      if (options.withdraw === true) say(await actions.withdrawRenewal(options.ca))
      else if (options.certificate !== undefined) say(await actions.installRenewal(options.ca, options.certificate))
      else {
        const { pem, next } = await actions.renewCa(options.ca, { ...options, key: keyOf(options) })
        await print(pem)
        say(next)
      }
    })
}

function keyOf({ key, sameKey }: CaRotate): KeySpec | 'same' | 'new' {
  if (key !== undefined && sameKey === true) {
    throw new AppError('invalid_argument', '--key and --same-key exclude each other.')
  }
  return sameKey === true ? 'same' : (key ?? 'new')
}

function registerInfo(ca: Command): void {
  withTableOrJson(ca.command('info'))
    .description('what CAs there are')
    .action(async ({ output }: WithOutput) => {
      const cas = await (await import('./administration/ca-actions.js')).describeCas()
      if (output === 'json') return printData(cas, output)
      // Each has more to tell than a row holds.
      for (const described of cas) await printData(described, output)
      return undefined
    })
}
