import { createLogger, loadConfig, shutDownOnSignals, type SettingsInput } from '@app/platform'
import { invitationLink } from '../../console/src/invitations/invitation.js'
import { startServer, type RunningServer } from './server.js'

/** What `serve` takes from the command line. */
export interface ServeOptions {
  readonly role?: readonly string[]
  readonly home?: string
}

/** Runs the server until a signal ends it. Throws what {@link startServer} throws. */
export async function serve(options: ServeOptions): Promise<void> {
  const overrides: SettingsInput = {
    ...(options.role === undefined ? {} : { roles: options.role as NonNullable<SettingsInput['roles']> }),
    ...(options.home === undefined ? {} : { home: options.home })
  }
  const config = loadConfig(process.env, { overrides })
  const log = createLogger(config.log)
  const started = Date.now()
  const server = await startServer(config, log)
  shutDownOnSignals(server.shutdown)
  log.info({ roles: config.roles, milliseconds: Date.now() - started }, 'Ready.')
  process.stderr.write(welcome(server))
  await server.shutdown.done
}

/** What a person at the terminal needs next. */
function welcome({ firstCa, installation, ports }: RunningServer): string {
  if (ports === undefined) return ''
  const { config } = installation
  const url = config.https.port === 0 ? `https://${config.https.host}:${ports.https}` : config.publicUrl
  if (firstCa === undefined) return `\nCertkeep serves ${url}\n`
  const fingerprint = firstCa.fingerprint.replaceAll(':', '').toLowerCase()
  return `
Certkeep serves ${url}

A root CA was made: ${firstCa.name}
  SHA-256 fingerprint  ${firstCa.fingerprint}

To become its administrator, within 24 hours, in another terminal in this folder; the link works once:
  npx certkeep operator enroll "${invitationLink(url, firstCa.invitation)}" --fingerprint ${fingerprint} --p12 admin.p12 --password-file admin.password --account admin --display-name "First Administrator"

A first certificate, in another terminal in this folder:
  npx certkeep agent new "First Agent" --out agent1.p12 --password-file agents.password
  npx certkeep agent new "Second Agent" --out agent2.p12 --password-file agents.password
  npx certkeep agent new "Third Agent" --out agent3.p12 --password-file agents.password
  npx certkeep directory add alice --kind user --domain EXAMPLE --upn alice@example.org --mail alice@example.org
  npx certkeep directory token alice --out alice.token
  npx certkeep bootstrap --url ${url} --fingerprint ${fingerprint} --token-file alice.token
  npx certkeep enroll --template UserEncryption --out alice

The keys of this installation are in ${config.home}. Back it up.
`
}
