import { X509Certificate } from 'node:crypto'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AppError } from '@app/core'
import { CertRequest, CR_DISP_ISSUED, CR_IN_CMC, Enrollment, fetchTrustedRoot, FR_PROP_FULLRESPONSE } from '@app/client'
import { createLogger, loadConfig } from '@app/platform'
import { addPrincipal, issueToken } from './administration/directory-actions.js'
import { appointOperators, recoverTogether } from './demo-recovery.js'
import { startServer, type RunningServer } from './server.js'

const caName = 'Certkeep Root CA'

/**
 * The main job on an installation of its own, in a folder that is removed at the end: a key is archived, its
 * certificate issued, the response accepted, the archived key recovered by two of three agents and compared.
 */
export async function demo(options: { readonly keep?: boolean }): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), 'certkeep-demo-'))
  // As root, the database server runs as a user that must be able to pass through.
  chmodSync(home, 0o711)
  forgetSettings()
  Object.assign(process.env, { CERTKEEP_HOME: home, CERTKEEP_PROFILE: join(home, 'profile.json') })
  try {
    await run(home)
  } finally {
    if (options.keep === true) tell(`Kept: ${home}`)
    else remove(home)
  }
  tell('Done.')
}

async function run(home: string): Promise<void> {
  const listeners = { https: { port: 0 }, http: { port: 0 }, metrics: { port: 0 } }
  const config = loadConfig(process.env, { overrides: { ...listeners, log: { level: 'error' } } })
  tell(`Installation: ${home}`)
  const server = await startServer(config, createLogger(config.log))
  try {
    if (server.ports === undefined || server.firstCa === undefined) throw new AppError('internal', 'No CA was made.')
    const url = `https://127.0.0.1:${server.ports.https}`
    tell(`The server answers at ${url}, on an embedded PostgreSQL.`)
    tell(`CA "${caName}", SHA-256 fingerprint ${server.firstCa.fingerprint}`)
    await enrollAndRecover(server, url, home)
  } finally {
    await server.shutdown.run('The demonstration is over.')
  }
}

async function enrollAndRecover(server: RunningServer, url: string, home: string): Promise<void> {
  const { fingerprint = '', invitation = '' } = server.firstCa ?? {}
  const trust = await fetchTrustedRoot(url, fingerprint)
  const stage = { url, trust, home, tell }
  await appointOperators(stage, invitation)
  const domain = 'EXAMPLE'
  const mail = 'alice@example.org'
  await addPrincipal({ accountName: 'alice', kind: 'user', domain, displayName: 'Alice', upn: mail, mail })
  const tokenFile = join(home, 'alice.token')
  await issueToken({ account: 'alice', days: 1, out: tokenFile })
  tell('Account EXAMPLE\\alice with a token: alice.token')

  const token = readFileSync(tokenFile, 'utf8').trim()
  await using request = new CertRequest({ url, trust, ca: caName, credentials: { token } })

  const exchange = await request.getCACertificate({ exchange: true })
  tell(
    `Exchange certificate: ${new X509Certificate(exchange).subject}, serial ${new X509Certificate(exchange).serialNumber}`
  )
  const enrollment = new Enrollment({ privateKeyArchiveCertificate: exchange, trust })
  const template = { name: 'UserEncryption' }
  const cmc = await enrollment.createRequest({ type: 'cmc', subject: 'CN=Alice', template })
  tell(`RSA-2048 key made; CMC request of ${cmc.length} bytes with the key wrapped to the exchange certificate.`)

  const disposition = await request.submit(cmc, { flags: CR_IN_CMC })
  tell(
    `Request id ${request.requestId}, disposition ${disposition} (${request.dispositionMessage}), status ${request.lastStatus}`
  )
  if (disposition !== CR_DISP_ISSUED) {
    throw new AppError('internal', `The request was not issued: ${request.dispositionMessage}`)
  }
  const response = await request.getFullResponseProperty(FR_PROP_FULLRESPONSE)
  await enrollment.acceptResponse(response)
  const files = await enrollment.installAsPem(join(home, 'alice'))
  const certificate = new X509Certificate(readFileSync(files.certificate))
  tell(`Full response verified and accepted: serial ${certificate.serialNumber}, in alice/`)
  await recoverTogether(stage, request.requestId, join(home, 'alice'))
}

/** The demonstration is the same whatever is set for the machine's own installation. */
function forgetSettings(): void {
  for (const name of Object.keys(process.env)) if (name.startsWith('CERTKEEP_')) delete process.env[name]
}

function remove(home: string): void {
  // The database may be elsewhere when root's temporary directory is closed to others.
  const note = join(home, 'postgres-directory')
  if (existsSync(note)) rmSync(readFileSync(note, 'utf8').trim(), { recursive: true, force: true })
  rmSync(home, { recursive: true, force: true })
}

function tell(text: string): void {
  process.stdout.write(`${text}\n`)
}
