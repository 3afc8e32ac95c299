import { InvalidArgumentError, Option, type Command } from 'commander'
import { KEY_SPECS, type KeySpec } from '@app/keys'

/** The options by which every client command finds its server. */
export interface ConnectionOptions {
  readonly url?: string
  readonly ca?: string
  readonly trust?: string
  readonly fingerprint?: string
  readonly tokenFile?: string
  readonly cert?: string
  readonly certKey?: string
  readonly certP12?: string
  readonly certPasswordFile?: string
}

/** Adds the options of {@link ConnectionOptions} to a command; the profile gives what is left out. */
export function withConnectionOptions(command: Command): Command {
  return command
    .option('--url <address>', 'the server, as https://ca.example.org:8443')
    .option('--ca <name>', 'the CA')
    .option('--trust <file>', 'PEM of the trusted root')
    .option('--fingerprint <hex>', 'SHA-256 fingerprint of the root to trust, instead of --trust')
    .option('--token-file <file>', 'the file with your token')
    .option('--cert <file>', 'your client certificate, PEM, instead of a token')
    .option('--cert-key <file>', 'the key of --cert, PEM')
    .option('--cert-p12 <file>', 'your client certificate with its key, PKCS#12, instead of a token')
    .option('--cert-password-file <file>', 'the file with the password of --cert-p12')
}

/** The options that say what a new request asks for. */
export interface NewRequestOptions extends ConnectionOptions {
  readonly subject?: string
  readonly san: readonly string[]
  readonly template?: string
  readonly attribute: readonly string[]
  readonly key: KeySpec
  readonly keyFile?: string
  readonly form: 'cmc' | 'crmf' | 'pkcs10' | 'pkcs7'
  /** A certificate's file, or the directory that it is installed in. */
  readonly renew?: string
  readonly renewKey?: string
  readonly keepKey?: boolean
  readonly onBehalfOf?: string
  readonly agentCert?: string
  readonly agentKey?: string
  /** Undefined when neither --archive nor --no-archive is given. */
  readonly archive?: boolean
  readonly exchangeCert?: string
  readonly passphraseFile?: string
}

/** Adds the options of {@link NewRequestOptions} to a command. */
export function withNewRequestOptions(command: Command): Command {
  return withConnectionOptions(command)
    .option('--subject <dn>', 'the subject, as CN=Name,O=Organization,C=DE; may be left out')
    .option('--san <name>', 'an alternative name: dns:, email:, upn:, ip:, uri: and the value; repeatable', collect, [])
    .option('--template <template>', 'a template by name, or by identifier as OID[:major[.minor]]')
    .option('--attribute <name:value>', 'a request attribute; repeatable', collect, [])
    .addOption(new Option('--key <kind>', 'the key to make').choices(KEY_SPECS).default('rsa-2048'))
    .option('--key-file <file>', 'an existing private key, PEM, instead of a new one')
    .addOption(
      new Option('--form <form>', 'the form of the request').choices(['cmc', 'crmf', 'pkcs10', 'pkcs7']).default('cmc')
    )
    .option('--renew <certificate>', 'the certificate to renew, PEM, or the directory it is installed in')
    .option('--renew-key <file>', 'the key of --renew, PEM; key.pem beside it when left out')
    .option('--keep-key', 'renew for the same key instead of a new one')
    .option('--on-behalf-of <account>', 'the account to enroll, as DOMAIN\\account; you must be an enrollment agent')
    .option('--agent-cert <certificate>', 'your enrollment agent certificate, PEM, or the directory it is installed in')
    .option('--agent-key <file>', 'the key of --agent-cert, PEM; key.pem beside it when left out')
    .option('--archive', 'demand that the private key be archived')
    .option('--no-archive', 'keep the private key here; without either, the template decides')
    .option('--exchange-cert <file>', 'the exchange certificate, PEM with its chain, instead of asking the CA')
    .option('--passphrase-file <file>', 'the file with the passphrase that protects the private key here')
}

/** The options by which a certificate is installed. */
export interface InstallationOptions {
  readonly out?: string
  readonly p12?: string
  readonly passwordFile?: string
}

/** Adds the options of {@link InstallationOptions} to a command. */
export function withInstallationOptions(command: Command): Command {
  return command
    .option('--out <directory>', 'the directory for key.pem, certificate.pem and chain.pem')
    .option('--p12 <file>', 'one PKCS#12 file instead')
    .option('--password-file <file>', 'the file with the password of the PKCS#12 file')
}

/** Collects the values of an option that may be repeated. */
export function collect(value: string, previous: readonly string[]): readonly string[] {
  return [...previous, value]
}

/** A number of seconds, 0 to one day. Throws a usage error. */
export function parseSeconds(text: string): number {
  if (/^\d{1,5}$/.test(text) && Number(text) <= 86_400) return Number(text)
  throw new InvalidArgumentError('It must be a number of seconds, at most 86400.')
}
