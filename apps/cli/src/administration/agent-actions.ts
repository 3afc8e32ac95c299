import { createHash, randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { AppError, asId, wipe, type AgentId, type CaId, type PrincipalId } from '@app/core'
import { decodeDerPemOrBase64 } from '@app/der'
import { judgeAgentCertificate } from '@app/escrow'
import { readSecretFile, writeNewFile } from '@app/files'
import { generateKeyPairOf, signerOf } from '@app/keys'
import { buildPkcs12 } from '@app/client'
import { OID } from '@app/oid'
import {
  AgentStore,
  CaStore,
  CertificateStore,
  CoverageStore,
  internalRequest,
  PrincipalStore,
  RequestStore,
  type CaRow
} from '@app/storage'
import { buildCertificationRequest, decodeCertificate, encodeName, formatName, type Certificate } from '@app/x509'
import { readBytes } from '../client/connection.js'
import { chooseCa, withAdministration, type Administration } from './administration.js'
import { getPrincipal } from './directory-actions.js'
import { waitForState, withRoles } from './pipeline-actions.js'

/** Adds an agent by certificate; key usage, purpose and validity are checked. Returns a sentence for people. */
export function addAgent(options: {
  readonly name: string
  readonly file: string
  readonly ca?: string
  readonly account?: string
}): Promise<string> {
  return withAdministration(async administration => {
    const ca = await chooseCa(administration.database, options.ca)
    const holder = await holderOf(administration, options.account)
    const certificate = decodeCertificate(decodeDerPemOrBase64(await readBytes(options.file)))
    const id = await recordAgent(administration, { caId: ca.id, name: options.name, certificate, ...holder })
    return `Agent ${id}, ${options.name}, can open the keys that "${ca.name}" archives from now on.`
  })
}

/**
 * Makes an agent for a trial: a key that only its PKCS#12 file has, and a certificate of the CA, handed over out of
 * band. Returns a sentence for people.
 */
export function newAgent(options: {
  readonly name: string
  readonly out: string
  readonly passwordFile: string
  readonly ca?: string
  readonly account?: string
}): Promise<string> {
  if (existsSync(options.out)) {
    throw new AppError('file_exists', `${options.out} exists and is not overwritten. Choose another name.`)
  }
  return withAdministration(async administration => {
    const ca = await chooseCa(administration.database, options.ca)
    const holder = await holderOf(administration, options.account)
    const password = await passwordOf(options.passwordFile)
    const { privateKey } = await generateKeyPairOf('rsa-2048')
    const signer = signerOf(privateKey)
    const subject = encodeName([[{ type: OID.id_at_commonName, value: options.name }]])
    const parts = { subject, publicKey: signer.publicKey.raw, attributes: [] }
    const request = await buildCertificationRequest(parts, signer.scheme, data => signer.sign(data))
    const certificate = await enrollAgent(administration, ca, options.name, signer.publicKey, request)
    const pkcs8 = privateKey.export({ type: 'pkcs8', format: 'der' })
    try {
      const chain = await chainOf(administration, ca)
      const contents = { privateKey: pkcs8, certificate: certificate.raw, chain, friendlyName: options.name, password }
      await writeNewFile(options.out, await buildPkcs12(contents), 0o600)
    } finally {
      wipe(pkcs8)
    }
    const id = await recordAgent(administration, { caId: ca.id, name: options.name, certificate, ...holder })
    return `Agent ${id}, ${options.name}: key and certificate are in ${options.out}, the password in ${options.passwordFile}. Keep them off this machine.`
  })
}

/**
 * Says whose key an agent's is, for one that was added without an account. Throws `conflict` for an agent that is
 * somebody's already, is retired, or is not there. Returns a sentence for people.
 */
export function assignAgent(id: number, account: string): Promise<string> {
  return withAdministration(async ({ database, clock, actor }) => {
    const holder = await getPrincipal(new PrincipalStore(database.dataSource), account)
    const agents = new AgentStore(database.dataSource)
    if (await agents.assign(asId<AgentId>(id), holder.id, { actor }, clock.now())) {
      return `Agent ${id} is the key of ${account}: nobody else approves recoveries with it.`
    }
    throw new AppError(
      'conflict',
      `Agent ${id} is not an agent in use that nobody has. A key that goes to somebody else is another agent’s: add that one.`
    )
  })
}

/** The agents of a CA. */
export function listAgents(caName: string | undefined): Promise<readonly object[]> {
  return withAdministration(async ({ database, clock }) => {
    const ca = await chooseCa(database, caName)
    const rows = await new CoverageStore(database.dataSource).listAgentsOf(ca.id)
    return rows.map(({ id, name, subject, account, state, isRevoked, notAfter, sha256, certificate }) => ({
      id,
      name,
      subject,
      account: account ?? '',
      state,
      usable:
        state === 'active' && !isRevoked && judgeAgentCertificate(decodeCertificate(certificate), clock.now()).usable,
      notAfter: notAfter.toISOString(),
      sha256: sha256.toString('hex')
    }))
  })
}

/**
 * Takes an agent out of use. Throws what `CoverageStore.retireAgent` throws: it is refused while more keys need the agent
 * than are confirmed as lost. Returns a sentence for people.
 */
export function retireAgent(id: number, confirmedLoss: number): Promise<string> {
  return withAdministration(async ({ database, clock, actor }) => {
    const store = new CoverageStore(database.dataSource)
    const lost = await store.retireAgent({ id: asId<AgentId>(id), confirmedLoss }, { actor }, clock.now())
    const loss = lost === 0 ? '' : ` ${lost} archived keys cannot be opened any more.`
    return `Agent ${id} gets no more keys and approves nothing.${loss} Its key still opens what was sealed to it: keep it until that is handed on.`
  })
}

async function enrollAgent(
  administration: Administration,
  ca: CaRow,
  name: string,
  publicKey: { readonly raw: Uint8Array; readonly keyId: Uint8Array },
  rawRequest: Uint8Array
): Promise<Certificate> {
  const { database, clock, actor } = administration
  const requests = new RequestStore(database.dataSource)
  const submitted = await requests.submit(
    internalRequest({
      caId: ca.id,
      templateName: 'KeyRecoveryAgent',
      publicKey: publicKey.raw,
      keyId: publicKey.keyId,
      rawRequest,
      subject: `CN=${name}`,
      rowFlags: 0,
      submittedAt: clock.now()
    }),
    undefined,
    { actor }
  )
  const { id } = submitted
  await withRoles(administration, async roles => {
    await waitForState(roles, requests, { id, step: 'evaluate', states: ['pending'] })
    const approval = { id, from: 'pending', to: 'approved', because: { actor }, outOfBand: true } as const
    if (!(await requests.move(approval, clock.now()))) {
      throw new AppError('conflict', `Request ${id} was decided by somebody else.`)
    }
    await waitForState(roles, requests, { id, step: 'issue', states: ['issued'] })
  })
  const issued = await new CertificateStore(database.dataSource).findByRequest(id)
  if (issued?.certificate == null) throw new AppError('not_found', `No certificate was issued for request ${id}.`)
  return decodeCertificate(issued.certificate)
}

/** The account that holds an agent's key, when one is named: only that person approves recoveries with it. */
async function holderOf(
  { database }: Administration,
  account: string | undefined
): Promise<{ readonly principalId?: PrincipalId }> {
  if (account === undefined) return {}
  return { principalId: (await getPrincipal(new PrincipalStore(database.dataSource), account)).id }
}

async function recordAgent(
  { database, clock, actor }: Administration,
  agent: {
    readonly caId: CaId
    readonly name: string
    readonly certificate: Certificate
    readonly principalId?: PrincipalId
  }
): Promise<AgentId> {
  const { certificate } = agent
  const judgement = judgeAgentCertificate(certificate, clock.now())
  if (!judgement.usable) throw new AppError('invalid_argument', judgement.detail, { fault: judgement.fault })
  return new AgentStore(database.dataSource).add(
    {
      ...agent,
      certificate: Buffer.from(certificate.raw),
      sha256: createHash('sha256').update(certificate.raw).digest(),
      subject: formatName(certificate.subject),
      issuer: Buffer.from(certificate.issuer.raw),
      serialNumber: Buffer.from(certificate.serialNumber),
      notBefore: certificate.notBefore,
      notAfter: certificate.notAfter,
      addedAt: clock.now()
    },
    { actor }
  )
}

async function chainOf({ database }: Administration, ca: CaRow): Promise<readonly Uint8Array[]> {
  const current = (await new CaStore(database.dataSource).listCertificates(ca.id)).at(-1)
  return current?.certificate == null ? [] : [current.certificate, ...current.chain]
}

/** The password in a file; a new one is made when there is no such file. */
async function passwordOf(file: string): Promise<string> {
  if (!existsSync(file)) await writeNewFile(file, Buffer.from(`${randomBytes(18).toString('base64url')}\n`), 0o600)
  return Buffer.from(await readSecretFile(file)).toString('utf8')
}
