import { InvalidArgumentError, Option, type Command } from 'commander'
import { parsePositive } from './argument.js'
import type { CertChangeCommand, CertListCommand, CertReadCommand } from './client/cert-actions.js'
import { withConnectionOptions } from './client-options.js'
import { outputOption, talkOf } from './output.js'

const reasons = [
  'unspecified',
  'keyCompromise',
  'cACompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'certificateHold',
  'privilegeWithdrawn',
  'aACompromise'
] as const

const states = ['valid', 'revoked', 'held', 'expired'] as const

/** `cert …`: issued certificates, for operators. */
export function registerCert(program: Command): void {
  const cert = program.command('cert').description('issued certificates')
  registerReading(cert)
  withConnectionOptions(cert.command('revoke'))
    .description('revoke a certificate, or put it on hold')
    .argument('<serial>', 'its serial number, hexadecimal', parseSerial)
    .addOption(new Option('--reason <reason>', 'why').choices(reasons).default('unspecified'))
    .option('--since <time>', 'since when it is not to be trusted, ISO 8601', parseTime)
    .option('--comment <text>', 'what the audit log says beside it')
    .option('--if-match <etag>', 'only if this is still its etag')
    .addOption(outputOption('table', 'json'))
    .action(async (serial: string, options: CertChangeCommand, command: Command) => {
      const { revokeCertificate } = await import('./client/cert-actions.js')
      await revokeCertificate(serial, options, talkOf(command))
    })
  withConnectionOptions(cert.command('unrevoke'))
    .description('take a certificate off hold')
    .argument('<serial>', 'its serial number, hexadecimal', parseSerial)
    .option('--comment <text>', 'what the audit log says beside it')
    .option('--if-match <etag>', 'only if this is still its etag')
    .addOption(outputOption('table', 'json'))
    .action(async (serial: string, options: CertChangeCommand, command: Command) => {
      const { releaseCertificate } = await import('./client/cert-actions.js')
      await releaseCertificate(serial, options, talkOf(command))
    })
}

function registerReading(cert: Command): void {
  withConnectionOptions(cert.command('list'))
    .description('find certificates')
    .option('--serial <hex>', 'by serial number', parseSerial)
    .option('--subject <words>', 'whose subject has words that begin so')
    .option('--account <name>', 'of an account, DOMAIN\\account')
    .option('--template <name>', 'of a template')
    .option('--request <number>', 'that was issued for a request', parsePositive)
    .option('--digest <hex>', 'by the SHA-1 or SHA-256 of the certificate')
    .addOption(new Option('--state <state>', 'what has become of them').choices(states))
    .option('--expiring-before <time>', 'that end before this time, the first to end first', parseTime)
    .option('--limit <number>', 'at most so many', parsePositive, 50)
    .addOption(outputOption('table', 'json'))
    .action(async (options: CertListCommand) => {
      const { listCertificates } = await import('./client/cert-actions.js')
      await listCertificates(options)
    })
  withConnectionOptions(cert.command('show'))
    .description('one certificate, decoded')
    .argument('<serial>', 'its serial number, hexadecimal', parseSerial)
    .addOption(outputOption('table', 'json', 'pem'))
    .action(async (serial: string, options: CertReadCommand) => {
      const { showCertificate } = await import('./client/cert-actions.js')
      await showCertificate(serial, options)
    })
  withConnectionOptions(cert.command('export'))
    .description('one certificate as a file; p7b has those of the CA too')
    .argument('<serial>', 'its serial number, hexadecimal', parseSerial)
    .option('--out <file>', 'a new file instead of stdout')
    .addOption(outputOption('pem', 'der', 'p7b'))
    .action(async (serial: string, options: CertReadCommand) => {
      const { exportCertificate } = await import('./client/cert-actions.js')
      await exportCertificate(serial, options)
    })
}

/** A serial number as certificates and other programs show it: hexadecimal, perhaps with colons. */
function parseSerial(text: string): string {
  const compact = text
    .replaceAll(':', '')
    .toLowerCase()
    .replace(/^0+(?=[0-9a-f])/, '')
  if (!/^[0-9a-f]{1,40}$/.test(compact)) throw new InvalidArgumentError('a serial number in hexadecimal')
  return compact
}

function parseTime(text: string): string {
  const time = new Date(text)
  if (Number.isNaN(time.getTime())) throw new InvalidArgumentError('a time as ISO 8601 has it')
  return time.toISOString()
}
