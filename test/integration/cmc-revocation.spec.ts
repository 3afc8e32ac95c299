import { randomBytes, sign } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { SigningIdentity } from '@app/client'
import {
  buildCmcRequest,
  buildRevocationRequest,
  CMC_STATUS,
  decodeFullResponse,
  encodeTaggedAttribute,
  verifyFullResponse,
  type FullResponse,
  type RevocationRequestPlan
} from '@app/cmc'
import { encodeOctetString, encodeSequence, encodeTlv, TAG } from '@app/der'
import { signerOf } from '@app/keys'
import { OID } from '@app/oid'
import { decodeCertificate } from '@app/x509'
import { identityOf } from '../helpers/endorsed-requests.js'
import { forgeCmc } from '../helpers/cmc-messages.js'
import { planOf } from '../helpers/archival-requests.js'
import { exchangeCmc } from '../helpers/submission.js'
import { startTestServer, type TestPrincipal, type TestServer } from '../helpers/server.js'

let server: TestServer
let holder: TestPrincipal
let other: TestPrincipal
const named = { template: { name: 'UserSignature' } }

beforeAll(async () => {
  server = await startTestServer()
  holder = await server.addPrincipal()
  other = await server.addPrincipal()
})

afterAll(() => server.stop())

const cosignerOf = ({ certificate, privateKey }: SigningIdentity): RevocationRequestPlan['signer'] => {
  const signer = signerOf(privateKey)
  return { certificate, scheme: signer.scheme, sign: data => signer.sign(data) }
}

async function revocation(
  identity: SigningIdentity,
  changes: Partial<RevocationRequestPlan> = {}
): Promise<Uint8Array> {
  const ties = { transactionId: Buffer.concat([Buffer.of(0x40), randomBytes(15)]), senderNonce: randomBytes(16) }
  const { certificate } = identity
  return buildRevocationRequest({ certificate, reason: 1, signer: cosignerOf(identity), ...ties, ...changes })
}

/** The answer to a message, its signature verified. */
async function answered(principal: TestPrincipal, message: Uint8Array): Promise<FullResponse> {
  const response = decodeFullResponse(await exchangeCmc(server, principal, message))
  verifyFullResponse(response, { caCertificate: server.ca.certificate })
  return response
}

interface CertificateState {
  readonly reason: number | null
  readonly invalid: Date | null
}

async function stateOf({ certificate }: SigningIdentity): Promise<CertificateState | undefined> {
  const [row] = await server.sql<CertificateState>(
    'SELECT revocation_reason AS reason, invalidity_date AS invalid FROM certkeep.certificate WHERE serial_number = $1',
    [Buffer.from(decodeCertificate(certificate).serialNumber)]
  )
  return row
}

const failed = (response: FullResponse) => response.statusInfos[0]?.status === CMC_STATUS.failed

describe('a CMC message that revokes', () => {
  it('is signed with the key of the certificate, and answered with a signed success', async () => {
    const identity = await identityOf(server, holder, named)
    const invalidityDate = new Date('2026-01-02T03:04:05Z')
    const message = await revocation(identity, { invalidityDate })
    const response = await answered(holder, message)
    expect(response.statusInfos).toMatchObject([
      { status: CMC_STATUS.success, bodyList: [[1]], statusString: 'Revoked' }
    ])
    expect(response.transactionId).toBeDefined()
    expect(response.recipientNonce).toBeDefined()
    expect(await stateOf(identity)).toEqual({ reason: 1, invalid: invalidityDate })
    // One event, in the name of who sent it; the same message gets the same answer and changes nothing.
    expect(Buffer.from((await answered(holder, message)).raw)).toEqual(Buffer.from(response.raw))
    const events = await server.sql<{ readonly actor: string; readonly by: string }>(
      `SELECT actor, detail->>'by' AS by FROM certkeep.audit_event WHERE action = 'certificate.revoked'`
    )
    expect(events).toEqual([{ actor: `EXAMPLE\\${holder.row.accountName}`, by: 'cmc' }])
  })

  it('may come from anybody who has the key, and from the holder who has lost it', async () => {
    const stolen = await identityOf(server, holder, named)
    expect(failed(await answered(other, await revocation(stolen)))).toBe(false)
    expect(await stateOf(stolen)).toMatchObject({ reason: 1 })
    const lost = await identityOf(server, holder, named)
    const another = await identityOf(server, holder, named)
    expect(failed(await answered(holder, await revocation(lost, { signer: cosignerOf(another), reason: 4 })))).toBe(
      false
    )
    expect(await stateOf(lost)).toMatchObject({ reason: 4 })
  })

  it.each<[string, (mine: SigningIdentity, theirs: SigningIdentity) => Promise<Uint8Array>]>([
    ['another’s certificate', (mine, theirs) => revocation(theirs, { signer: cosignerOf(mine) })],
    [
      'with the signature of another key',
      (mine, theirs) => revocation(mine, { signer: { ...cosignerOf(mine), sign: cosignerOf(theirs).sign } })
    ],
    ['by a reason that is the CA’s', mine => revocation(mine, { reason: 2 })],
    ['by a release from a hold', mine => revocation(mine, { reason: 8 })]
  ])('revokes nothing: %s', async (_what, build) => {
    const mine = await identityOf(server, holder, named)
    const theirs = await identityOf(server, other, named)
    expect(failed(await answered(holder, await build(mine, theirs)))).toBe(true)
    expect(await stateOf(mine)).toMatchObject({ reason: null })
    expect(await stateOf(theirs)).toMatchObject({ reason: null })
  })

  it('revokes nothing twice', async () => {
    const identity = await identityOf(server, holder, named)
    expect(failed(await answered(holder, await revocation(identity)))).toBe(false)
    expect(failed(await answered(holder, await revocation(identity)))).toBe(true)
  })

  it('never talks down what is on record: the key may be in the hands of a thief', async () => {
    const identity = await identityOf(server, holder, named)
    const invalidityDate = new Date('2026-01-02T03:04:05Z')
    const told = async (changes: Partial<RevocationRequestPlan>): Promise<boolean> =>
      !failed(await answered(holder, await revocation(identity, changes)))
    expect(await told({ reason: 3, invalidityDate: new Date('2126-01-02T03:04:05Z') })).toBe(false)
    expect(await told({ reason: 6 })).toBe(true)
    expect(await told({ reason: 4 })).toBe(true)
    expect(await told({ reason: 3 })).toBe(false)
    expect(await told({ reason: 1, invalidityDate })).toBe(true)
    expect(await told({ reason: 4 })).toBe(false)
    expect(await told({ reason: 1, invalidityDate: new Date('2026-06-02T03:04:05Z') })).toBe(false)
    expect(await stateOf(identity)).toEqual({ reason: 1, invalid: invalidityDate })
  })

  it('asks for nothing besides, and proves nothing by a shared secret', async () => {
    const identity = await identityOf(server, holder, named)
    const { issuer, serialNumber } = decodeCertificate(identity.certificate)
    const wish = (...more: Uint8Array[]) =>
      encodeTaggedAttribute(
        7,
        OID.id_cmc_revokeRequest,
        encodeSequence(
          issuer.raw,
          encodeTlv(TAG.integer, serialNumber),
          encodeTlv(TAG.enumerated, Uint8Array.of(1)),
          ...more
        )
      )
    // The request inside is sound by itself.
    const { request } = await buildCmcRequest(
      planOf({ dialect: 'microsoft', privateKey: identity.privateKey, template: 'UserSignature' })
    )
    expect(failed(await answered(holder, request))).toBe(false)
    const signer = cosignerOf(identity)
    const both = await forgeCmc({ controls: [wish()] })
    expect(failed(await answered(holder, both))).toBe(true)
    const bySecret = await forgeCmc({
      controls: [wish(encodeOctetString(Buffer.from('secret')))],
      requestSequence: encodeSequence(),
      certificates: [signer.certificate],
      sid: { kind: 'issuerAndSerial', issuer: issuer.raw, serialNumber },
      sign: data => sign('sha256', data, identity.privateKey)
    })
    expect(failed(await answered(holder, bySecret))).toBe(true)
    expect(await stateOf(identity)).toMatchObject({ reason: null })
  })
})
