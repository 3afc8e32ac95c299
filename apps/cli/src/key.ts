import { InvalidArgumentError, Option, type Command } from 'commander'
import { parsePositive } from './argument.js'
import { collect, withConnectionOptions } from './client-options.js'
import type { OpenKeyCommand } from './client/open-key.js'
import type {
  ApproveOptions,
  FetchOptions,
  KeyListOptions,
  PendingOptions,
  RecoverOptions,
  RecoveryOptions
} from './key-options.js'
import { registerKeyKeeping } from './key-keeping.js'
import { outputOption, talkOf } from './output.js'

const states = ['requested', 'approved', 'released', 'refused', 'withdrawn', 'expired'] as const

/** `key …`: archived keys, and how one is recovered. */
export function registerKey(program: Command): void {
  const key = program.command('key').description('archived keys, and how one is recovered')
  registerFinding(key)
  registerAsking(key)
  registerApproving(key)
  registerOpening(key)
  registerKeyKeeping(key)
}

function withKeyCriteria(command: Command): Command {
  return withConnectionOptions(command)
    .option('--serial <hex>', 'by the serial number of the certificate', parseHex)
    .option('--subject <words>', 'whose subject has words that begin so')
    .option('--upn <name>', 'by the user principal name')
    .option('--account <name>', 'of an account, DOMAIN\\account')
    .option('--digest <hex>', 'by the SHA-1 or SHA-256 of the certificate', parseHex)
    .option('--request <number>', 'by the request that it was archived with', parsePositive)
}

function parseHex(text: string): string {
  const digits = text.replaceAll(':', '').toLowerCase()
  if (!/^[0-9a-f]+$/.test(digits)) throw new InvalidArgumentError('hexadecimal')
  return digits
}

const tableOrJson = (): Option => outputOption('table', 'json')

function registerFinding(key: Command): void {
  withKeyCriteria(key.command('list'))
    .description('find archived keys: whose they are and who could open them, never the keys')
    .option('--limit <number>', 'at most so many', parsePositive, 50)
    .addOption(tableOrJson())
    .action(async (options: KeyListOptions) => (await import('./client/recovery-actions.js')).listKeys(options))
  withConnectionOptions(key.command('pending'))
    .description('recoveries that wait for approvals or to be fetched')
    .addOption(new Option('--state <state>', 'those of another state').choices(states))
    .option('--mine', 'those only that you asked for, or can still approve')
    .option('--limit <number>', 'at most so many', parsePositive, 50)
    .addOption(tableOrJson())
    .action(async (options: PendingOptions) => (await import('./client/recovery-actions.js')).listRecoveries(options))
  withConnectionOptions(key.command('show'))
    .description('one recovery: the key, who asked and why, and which agents approved')
    .argument('<recovery>', 'its number', parsePositive)
    .addOption(tableOrJson())
    .action(async (id: number, options: RecoveryOptions) =>
      (await import('./client/recovery-actions.js')).showRecovery(id, options)
    )
}

function registerAsking(key: Command): void {
  withKeyCriteria(key.command('recover'))
    .description('ask for an archived key, for officers; recovery agents approve')
    .requiredOption('--reason <text>', 'why, for the record')
    .requiredOption('--ticket <text>', 'what the recovery is known by elsewhere')
    .option('--recipient <file>', 'the certificate, PEM or DER, whose key opens it; a one-time key is made without')
    .addOption(tableOrJson())
    .action(async (options: RecoverOptions, command: Command) =>
      (await import('./client/recovery-request.js')).requestRecovery(options, talkOf(command))
    )
  withConnectionOptions(key.command('withdraw'))
    .description('take back a recovery that you asked for')
    .argument('<recovery>', 'its number', parsePositive)
    .addOption(tableOrJson())
    .action(async (id: number, options: RecoveryOptions, command: Command) =>
      (await import('./client/recovery-actions.js')).withdrawRecovery(id, options, talkOf(command))
    )
}

function registerApproving(key: Command): void {
  withConnectionOptions(key.command('approve'))
    .description('approve a recovery with an agent’s key, which stays here; 3 where other agents have to approve too')
    .argument('<recovery>', 'its number', parsePositive)
    .option('--agent <file>', 'the agent’s PKCS#12 file')
    .option('--agent-key <file>', 'the agent’s private key, PEM or DER, instead of --agent')
    .option('--agent-cert <file>', 'the agent’s certificate, with --agent-key')
    .option('--password-file <file>', 'the file with the password of --agent, or the passphrase of --agent-key')
    .option('--agent-id <number>', 'which of your agents, where you have several', parsePositive)
    .option('--recipient-sha256 <hex>', 'the fingerprint that the officer told you, instead of the question', parseHex)
    .option('--yes', 'do not ask, where there is no recipient to compare')
    .addOption(tableOrJson())
    .action(async (id: number, options: ApproveOptions, command: Command) =>
      (await import('./client/recovery-approval.js')).approveRecovery(id, options, talkOf(command))
    )
  withConnectionOptions(key.command('refuse'))
    .description('refuse a recovery, for good')
    .argument('<recovery>', 'its number', parsePositive)
    .requiredOption('--reason <text>', 'why')
    .addOption(tableOrJson())
    .action(async (id: number, options: RecoveryOptions & { readonly reason: string }, command: Command) =>
      (await import('./client/recovery-actions.js')).refuseRecovery(id, options, talkOf(command))
    )
}

function registerOpening(key: Command): void {
  withConnectionOptions(key.command('fetch'))
    .description('release what you asked for, once, and write down what is delivered')
    .argument('<recovery>', 'its number', parsePositive)
    .option('--out <file>', 'a new file; recovery-NUMBER when left out')
    .action(async (id: number, options: FetchOptions, command: Command) =>
      (await import('./client/recovery-fetch.js')).fetchRecovery(id, options, talkOf(command))
    )
  key
    .command('open')
    .description('open a sealed key with the recipient’s or an agent’s key; needs no server')
    .argument('<sealed>', 'what "key fetch" wrote, or a sealed key, DER, PEM or base64, bare or signed')
    .option('--recipient <file>', 'the recipient’s PKCS#12 file, for a key of several agents')
    .option('--agent <file>', 'the agent’s PKCS#12 file, for a key that one agent opens')
    .option('--key <file>', 'the private key, PEM or DER, instead; the one-time key is found by itself')
    .option('--cert <file>', 'the certificate of --key, which names the recipient')
    .option(
      '--password-file <file>',
      'the file with the password of --recipient or --agent, or the passphrase of --key'
    )
    .option(
      '--share <file>',
      'an agent’s share, encrypted to the recipient, where it is not in the file; repeatable',
      collect,
      []
    )
    .option('--certificate <file>', 'the certificate of the sealed key, where it is not in the file')
    .option('--legacy', 'encrypt the PKCS#12 file as clients before 2018 need it: 3DES and SHA-1')
    .option('--out-password-file <file>', 'the file with the password of the PKCS#12 file to write')
    .requiredOption('--out <file>', 'a new file: .p12 or .pfx with the certificate, else PKCS#8 PEM')
    .action(async (sealed: string, options: OpenKeyCommand, command: Command) => {
      const { openKey } = await import('./client/open-key.js')
      await openKey(sealed, options, talkOf(command))
    })
}
