import { createPublicKey, X509Certificate } from 'node:crypto'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AppError, asId, equalBytes, systemClock, type RequestId } from '@app/core'
import {
  CertRequest,
  CR_DISP_ISSUED,
  CR_IN_CMC,
  Enrollment,
  fetchTrustedRoot,
  FR_PROP_FULLRESPONSE,
  makeRecoveryRecipient,
  readPkcs12
} from '@app/client'
import { encodePem } from '@app/der'
import { keyBlobToPkcs8, openWithShares, transferShare } from '@app/escrow'
import { decrypterOf } from '@app/keys'
import { createLogger, loadConfig } from '@app/platform'
import { ArchiveStore, openDatabase } from '@app/storage'
import { decodeCertificate } from '@app/x509'
import { systemEntropy } from './administration/administration.js'
import { newAgent } from './administration/agent-actions.js'
import { addPrincipal, issueToken } from './administration/directory-actions.js'
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
  Object.assign(process.env, { CERTKEEP_HOME: home })
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
  const passwordFile = join(home, 'agents.password')
  for (const [file, name] of [
    ['agent1.p12', 'First Agent'],
    ['agent2.p12', 'Second Agent'],
    ['agent3.p12', 'Third Agent']
  ] as const) {
    await newAgent({ name, out: join(home, file), passwordFile })
    tell(`Recovery agent "${name}": ${file}`)
  }
  const domain = 'EXAMPLE'
  const mail = 'alice@example.org'
  await addPrincipal({ accountName: 'alice', kind: 'user', domain, displayName: 'Alice', upn: mail, mail })
  const tokenFile = join(home, 'alice.token')
  await issueToken({ account: 'alice', days: 1, out: tokenFile })
  tell('Account EXAMPLE\\alice with a token: alice.token')

  const trust = await fetchTrustedRoot(url, server.firstCa?.fingerprint ?? '')
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
  await recover(server, request.requestId, certificate, home)
}

/** Two of the three agents hand their shares to a recipient, who rebuilds the key. */
async function recover(
  server: RunningServer,
  requestId: number,
  certificate: X509Certificate,
  home: string
): Promise<void> {
  const sealed = await sealedKeyOf(server, requestId)
  const parts = { clock: systemClock, entropy: systemEntropy }
  const recipient = await makeRecoveryRecipient({
    name: `Recovery of request ${requestId}`,
    validitySeconds: 60,
    ...parts
  })
  const transferred = await Promise.all(
    ['agent1.p12', 'agent3.p12'].map(file => shareOf(join(home, file), sealed, recipient.certificate, home))
  )
  const recovered = await openWithShares({
    sealed,
    transferred,
    decrypter: decrypterOf(recipient.privateKey),
    use: ({ plaintext }) => createPublicKey(Buffer.from(encodePem('PRIVATE KEY', keyBlobToPkcs8(plaintext))))
  })
  const spki = { type: 'spki', format: 'der' } as const
  const original = createPublicKey(readFileSync(join(home, 'alice', 'key.pem'))).export(spki)
  const found = recovered.export(spki)
  if (!equalBytes(found, original) || !equalBytes(found, certificate.publicKey.export(spki))) {
    throw new AppError('archived_key_mismatch', 'The recovered key is not the original one.')
  }
  tell('"First Agent" and "Third Agent" opened it together. It is the original key, and that of the certificate.')
}

async function sealedKeyOf(server: RunningServer, requestId: number): Promise<Uint8Array> {
  const database = await openDatabase(server.installation.connection('archive'))
  try {
    const key = await new ArchiveStore(database.dataSource).findSealed(asId<RequestId>(requestId))
    if (key === undefined) throw new AppError('not_found', `Request ${requestId} has no sealed key.`)
    tell(
      `Sealed key of request ${requestId}: ${key.sealed.length} bytes for ${key.agentIds.length} agents, of whom two open it together.`
    )
    return key.sealed
  } finally {
    await database.close()
  }
}

async function shareOf(file: string, sealed: Uint8Array, recipient: Uint8Array, home: string): Promise<Uint8Array> {
  const password = readFileSync(join(home, 'agents.password'), 'utf8').trim()
  const { privateKey, certificate } = await readPkcs12(readFileSync(file), password)
  if (certificate === undefined) throw new AppError('internal', `${file} has no certificate.`)
  return transferShare({
    sealed,
    decrypter: decrypterOf(privateKey),
    agent: decodeCertificate(certificate),
    recipient: decodeCertificate(recipient),
    entropy: systemEntropy
  })
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
