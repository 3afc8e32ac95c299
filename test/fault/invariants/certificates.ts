import { createHash } from 'node:crypto'
import { SYSTEM_PRINCIPAL, equalBytes } from '@app/core'
import { decodeCertificate, decodeCrl, verifyCertificateSignature, verifyCrlSignature } from '@app/x509'
import { brokenInvariants } from '../../helpers/decision-invariants.js'
import { sqlInvariant, type Evidence, type Invariant } from './invariant.js'

/** I3, I4 and I7: what was signed is explained, and was to be signed. */
export const CERTIFICATE_INVARIANTS: readonly Invariant[] = [
  sqlInvariant(
    'I3',
    'a serial number is given once by a CA',
    `SELECT ca_id, encode(serial_number, 'hex') AS serial FROM certkeep.certificate
     GROUP BY ca_id, serial_number HAVING count(*) > 1`
  ),
  { id: 'I3', name: 'every certificate is the one that was recorded before it was signed', find: findUnrecorded },
  { id: 'I3', name: 'every CRL is the one that was recorded before it was signed', find: findUnintended },
  { id: 'I3', name: 'every certificate that a client has is in the ledger', find: findUnexplained },
  sqlInvariant(
    'I4',
    'a certificate is of a request that is issued or revoked, and such a request has one',
    `SELECT r.id, r.state, c.serials FROM certkeep.request AS r
     LEFT JOIN (SELECT request_id, count(*) AS serials FROM certkeep.certificate WHERE state = 'issued'
                GROUP BY request_id) AS c ON c.request_id = r.id
     WHERE (r.state IN ('issued', 'revoked')) <> (c.serials IS NOT NULL)`
  ),
  sqlInvariant(
    'I4',
    'a certificate is for the key of its request and for its requester',
    `SELECT c.request_id FROM certkeep.certificate AS c JOIN certkeep.request AS r ON r.id = c.request_id
     WHERE c.state = 'issued' AND (c.key_id <> r.key_id OR c.template_name <> r.template_name
       OR (r.requester_id <> '${SYSTEM_PRINCIPAL}' AND c.principal_id IS DISTINCT FROM r.requester_id))`
  ),
  { id: 'I4', name: 'a certificate has the approvals that it needs, each told of once', find: findUnapproved },
  sqlInvariant(
    'I7',
    'what was denied, withdrawn or failed has no certificate',
    `SELECT r.id, r.state FROM certkeep.request AS r JOIN certkeep.certificate AS c ON c.request_id = r.id
     WHERE r.state IN ('denied', 'failed') AND c.state = 'issued'`
  ),
  { id: 'I7', name: 'who was told of a denial has no certificate', find: findDeniedWithCertificate },
  { id: 'I7', name: 'of decisions that exclude each other, one is done', find: findContradictions }
]

async function findUnrecorded({ sql, ca }: Evidence): Promise<readonly string[]> {
  const rows = await sql<{
    request_id: number
    tbs: Buffer
    certificate: Buffer
    sha256: Buffer
    serial_number: Buffer
  }>(`SELECT request_id, tbs, certificate, sha256, serial_number FROM certkeep.certificate WHERE state = 'issued'`)
  return rows.flatMap(row => {
    const certificate = decodeCertificate(row.certificate)
    const isRecorded =
      equalBytes(certificate.tbs, row.tbs) &&
      equalBytes(certificate.serialNumber, row.serial_number) &&
      createHash('sha256').update(row.certificate).digest().equals(row.sha256) &&
      holds(() => verifyCertificateSignature(certificate, ca.publicKey))
    return isRecorded ? [] : [`The certificate of request ${row.request_id} is not what was recorded.`]
  })
}

async function findUnintended({ sql, ca }: Evidence): Promise<readonly string[]> {
  const rows = await sql<{ number: string; crl: Buffer; tbs_digest: Buffer | null }>(
    `SELECT c.number, c.crl, i.tbs_digest FROM certkeep.crl AS c
     LEFT JOIN certkeep.crl_intent AS i ON i.ca_id = c.ca_id AND i.number = c.number WHERE c.crl IS NOT NULL`
  )
  return rows.flatMap(({ number, crl: bytes, tbs_digest: intended }) => {
    const crl = decodeCrl(bytes)
    const isIntended =
      intended?.equals(createHash('sha256').update(crl.tbs).digest()) === true &&
      holds(() => verifyCrlSignature(crl, ca.publicKey))
    return isIntended ? [] : [`CRL ${number} is not what was recorded.`]
  })
}

async function findUnexplained({ sql, history }: Evidence): Promise<readonly string[]> {
  const rows = await sql<{ id: number; sha256: string; serial: string }>(
    `SELECT request_id AS id, encode(sha256, 'hex') AS sha256, encode(serial_number, 'hex') AS serial
     FROM certkeep.certificate WHERE state = 'issued'`
  )
  const ledger = new Map(rows.map(({ id, sha256, serial }) => [id, `${serial} ${sha256}`]))
  return history
    .of('accept')
    .filter(({ requestId, serial, sha256 }) => ledger.get(requestId) !== `${serial} ${sha256}`)
    .map(({ requestId, serial }) => `The ledger has no certificate ${serial} of request ${requestId}.`)
}

async function findUnapproved({ sql }: Evidence): Promise<readonly string[]> {
  const broken = await brokenInvariants({ sql })
  return Object.entries(broken).map(([name, rows]) => `${name}: ${JSON.stringify(rows)}`)
}

const [DENIED, ISSUED] = [2, 3]

function findDeniedWithCertificate({ history }: Evidence): Promise<readonly string[]> {
  const told = [...history.of('retrieve'), ...history.of('response')]
  const denied = new Set(told.filter(({ disposition }) => disposition === DENIED).map(({ requestId }) => requestId))
  const issued = [
    ...told.filter(({ disposition }) => disposition === ISSUED).map(({ requestId }) => requestId),
    ...history.of('accept').map(({ requestId }) => requestId)
  ]
  return Promise.resolve(
    [...new Set(issued.filter(id => denied.has(id)))].map(id => `Request ${id} was denied, and has a certificate.`)
  )
}

/** A withdrawal and an approval, say, of the same request, both of which were answered as done. */
function findContradictions({ history }: Evidence): Promise<readonly string[]> {
  const done = history.of('decide').filter(({ outcome }) => outcome === 'done')
  const approved = new Set(done.filter(({ verdict }) => verdict === 'approve').map(({ requestId }) => requestId))
  return Promise.resolve(
    done
      .filter(({ verdict, requestId }) => verdict !== 'approve' && approved.has(requestId))
      .map(({ requestId }) => `Request ${requestId} was approved and refused.`)
  )
}

function holds(verify: () => void): boolean {
  try {
    verify()
    return true
  } catch {
    return false
  }
}
