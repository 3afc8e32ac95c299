import type { Command } from 'commander'
import type { BootstrapCommand } from './client/bootstrap-action.js'
import { talkOf } from './output.js'

/** `bootstrap`: trusts a server once, so that later commands need no options. */
export function registerBootstrap(program: Command): void {
  program
    .command('bootstrap')
    .description('fetch the root certificate of a server, compare its fingerprint and remember both')
    .requiredOption('--url <address>', 'the server, as https://ca.example.org:8443')
    .requiredOption('--fingerprint <hex>', 'the SHA-256 fingerprint that the server printed at its first start')
    .option('--ca <name>', 'the CA that later commands mean')
    .option('--token-file <file>', 'the file with your token')
    .option('--cert <file>', 'your client certificate, PEM, instead of a token')
    .option('--cert-key <file>', 'the key of --cert, PEM')
    .option('--cert-p12 <file>', 'your client certificate with its key, PKCS#12, instead of a token')
    .option('--cert-password-file <file>', 'the file with the password of --cert-p12')
    .option('--replace', 'replace a profile that exists')
    .action(async (options: BootstrapCommand, command: Command) => {
      const { bootstrap } = await import('./client/bootstrap-action.js')
      await bootstrap(options, talkOf(command))
    })
}
