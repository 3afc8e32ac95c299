import { createHash, type KeyObject } from 'node:crypto'
import { asId, asPrincipalId, type AgentId } from '@app/core'
import { generateKeyPairOf, signerOf } from '@app/keys'
import { OID } from '@app/oid'
import { AgentStore, openDatabase, type ConnectionSettings } from '@app/storage'
import {
  decodeCertificate,
  encodeCertificate,
  encodeExtendedKeyUsage,
  encodeKeyUsage,
  encodeName,
  encodeTbsCertificate,
  formatName,
  type Certificate
} from '@app/x509'
import pg from 'pg'
import { clientConfig } from './measured-database.js'
import { addOperator } from './operators.js'

/** A recovery agent with its key, the number of its row and the token of its person. */
export interface BenchAgent {
  readonly name: string
  readonly privateKey: KeyObject
  readonly certificate: Certificate
  readonly id: AgentId
  readonly token: string
}

/** Adds agents to the first CA, each with a key and a person of its own. */
export async function addAgents(owner: ConnectionSettings, count: number): Promise<readonly BenchAgent[]> {
  const database = await openDatabase({ ...owner, poolSize: 1 })
  try {
    const store = new AgentStore(database.dataSource)
    const agents: BenchAgent[] = []
    for (let number = 0; number < count; number++) {
      const agent = await makeAgent(`Bench agent ${number + 1}`, number + 1)
      const token = await addOperator(owner, 'recovery_agent')
      const { certificate, name } = agent
      const id = await store.add(
        {
          caId: asId(1),
          name,
          certificate: certificate.raw,
          sha256: createHash('sha256').update(certificate.raw).digest(),
          subject: formatName(certificate.subject),
          issuer: certificate.issuer.raw,
          serialNumber: certificate.serialNumber,
          notBefore: certificate.notBefore,
          notAfter: certificate.notAfter,
          addedAt: new Date(),
          principalId: asPrincipalId(await principalOf(owner, token))
        },
        { actor: 'bench' }
      )
      agents.push({ ...agent, id, token })
    }
    return agents
  } finally {
    await database.close()
  }
}

/** An RSA-2048 key and a certificate that it has signed itself. */
async function makeAgent(
  name: string,
  number: number
): Promise<Pick<BenchAgent, 'name' | 'privateKey' | 'certificate'>> {
  const { privateKey } = await generateKeyPairOf('rsa-2048')
  const signer = signerOf(privateKey)
  const subject = encodeName([[{ type: OID.id_at_commonName, value: name }]])
  const day = 86_400_000
  const tbs = encodeTbsCertificate({
    serialNumber: Uint8Array.of(number),
    scheme: signer.scheme,
    issuer: subject,
    notBefore: new Date(Date.now() - day),
    notAfter: new Date(Date.now() + 365 * day),
    subject,
    publicKey: signer.publicKey.raw,
    extensions: [
      { oid: OID.id_ce_keyUsage, critical: true, value: encodeKeyUsage(['keyEncipherment']) },
      { oid: OID.id_ce_extKeyUsage, critical: false, value: encodeExtendedKeyUsage([OID.szOID_KP_KEY_RECOVERY_AGENT]) }
    ]
  })
  const certificate = decodeCertificate(encodeCertificate(tbs, signer.scheme, await signer.sign(tbs)))
  return { name, privateKey, certificate }
}

async function principalOf(owner: ConnectionSettings, token: string): Promise<string> {
  const digest = createHash('sha256').update(token).digest()
  const text = 'SELECT principal_id FROM certkeep.credential WHERE token_hash = $1'
  const rows = await withClient(owner, client => client.query<{ principal_id: string }>(text, [digest]))
  return rows.rows[0]?.principal_id ?? ''
}

/** Works on the database as its owner, who is a superuser there, without triggers and look-ups of foreign keys. */
export async function withClient<T>(owner: ConnectionSettings, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(clientConfig(owner))
  await client.connect()
  try {
    await client.query(`SET session_replication_role = replica; SET statement_timeout = 0; SET synchronous_commit = off;
      SET maintenance_work_mem = '256MB'`)
    return await work(client)
  } finally {
    await client.end()
  }
}
