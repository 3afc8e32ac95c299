import { type Command } from 'commander'
import type { OpenKeyCommand } from './client/open-key.js'
import { talkOf } from './output.js'

/** `key …`: the part of archived keys that needs no server. */
export function registerKey(program: Command): void {
  const key = program.commands.find(command => command.name() === 'key') ?? program.command('key')
  key.description('archived keys')
  key
    .command('open')
    .description('open a sealed key with a recovery agent’s key; needs no server')
    .argument('<sealed>', 'the sealed key, DER or PEM, bare or as a recovery hands it out')
    .option('--agent <file>', 'the agent’s PKCS#12 file')
    .option('--key <file>', 'the agent’s private key, PEM or DER, instead of --agent')
    .option('--cert <file>', 'the agent’s certificate, which names the recipient, with --key')
    .option('--password-file <file>', 'the file with the password of --agent, or the passphrase of --key')
    .option('--certificate <file>', 'the certificate of the sealed key, for a PKCS#12 file')
    .option('--out-password-file <file>', 'the file with the password of the PKCS#12 file to write')
    .requiredOption('--out <file>', 'a new file: .p12 or .pfx with the certificate, else PKCS#8 PEM')
    .action(async (sealed: string, options: OpenKeyCommand, command: Command) => {
      const { openKey } = await import('./client/open-key.js')
      await openKey(sealed, options, talkOf(command))
    })
}
