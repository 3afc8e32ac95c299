import {
  encodePkcs10RequestSequence,
  encodeTaggedAttribute,
  findPendingQuery,
  findRevocationRequest,
  readEnrollmentRequest
} from '@app/cmc'
import { isAppError } from '@app/core'
import {
  DerReader,
  encodeContext,
  encodeInteger,
  encodeNull,
  encodeOctetString,
  encodeOid,
  encodeSequence,
  encodeSetOf,
  encodeTlv,
  encodeUtf8String,
  TAG
} from '@app/der'
import { OID } from '@app/oid'
import { describe, expect, it } from 'vitest'
import { buildSampleCmc, forgeCmc, sampleCertificationRequest, type CmcForgery } from '../helpers/cmc-messages.js'
import { sampleKey } from '../helpers/x509-samples.js'

const key = sampleKey('P-256')
const request = await sampleCertificationRequest(key)
const contentInfo = encodeSequence(encodeInteger(7), encodeSequence(encodeOid('1.2.3'), encodeContext(0, encodeNull())))

/** The reqSequence of a CRMF request for the key. */
async function crmfRequests(): Promise<Uint8Array> {
  const { request: bytes } = await buildSampleCmc({ dialect: 'standard-crmf' })
  const outer = DerReader.over(bytes).sequence('ContentInfo')
  outer.any('type')
  const signedData = outer.explicit(0, 'content').sequence('SignedData')
  signedData.any('version')
  signedData.any('digests')
  const content = signedData.sequence('content')
  content.any('type')
  const pkiData = DerReader.over(content.explicit(0, 'content').octetString('PKIData')).sequence('PKIData')
  pkiData.any('controls')
  return pkiData.any('requests').raw
}

/** What a message may hold besides its control: every member of PKIData, alone and with a request. */
const BODIES: Readonly<Record<string, CmcForgery>> = {
  'a PKCS#10': { requestSequence: encodePkcs10RequestSequence(1, request) },
  'a CRMF request': { requestSequence: await crmfRequests() },
  'a request of another form': {
    requestSequence: encodeSequence(encodeContext(2, encodeInteger(1), encodeOid('1.2.3'), encodeNull()))
  },
  'no request': { requestSequence: encodeSequence() },
  'two requests': {
    requestSequence: encodeSequence(...[1, 9].map(id => encodeContext(0, encodeInteger(id), request)))
  },
  'a message inside, and no request': { requestSequence: encodeSequence(), contentInfos: [contentInfo] },
  'a message inside, and a PKCS#10': { contentInfos: [contentInfo] },
  'another message, and a PKCS#10': {
    otherMessages: [encodeSequence(encodeInteger(8), encodeOid('1.2.3'), encodeNull())]
  },
  'content of a response': { eContentType: OID.id_cct_PKIResponse },
  'content of data': { eContentType: OID.id_data }
}

const references = Buffer.from('0201003003020101', 'hex')
/** Values that the controls take; every other control has an OCTET STRING. */
const VALUES: Readonly<Record<string, Uint8Array>> = {
  [OID.szOID_CMC_ADD_ATTRIBUTES]: encodeSequence(references, encodeSetOf([])),
  [OID.id_cmc_addExtensions]: encodeSequence(references, encodeSequence()),
  [OID.id_cmc_transactionId]: encodeInteger(5),
  [OID.id_cmc_identification]: encodeUtf8String('me'),
  [OID.id_cmc_statusInfo]: encodeSequence(encodeInteger(0), encodeSequence(encodeInteger(1))),
  [OID.id_cmc_statusInfoV2]: encodeSequence(encodeInteger(0), encodeSequence(encodeInteger(1))),
  [OID.id_cmc_queryPending]: encodeOctetString(Buffer.from('17')),
  [OID.id_cmc_revokeRequest]: encodeSequence(
    encodeSequence(),
    encodeInteger(5),
    encodeTlv(TAG.enumerated, Uint8Array.of(1))
  )
}

const CONTROLS = [
  ...Object.entries(OID).filter(([name]) => name.startsWith('id_cmc_')),
  ['szOID_CMC_ADD_ATTRIBUTES', OID.szOID_CMC_ADD_ATTRIBUTES],
  ['a control that nobody knows', '1.2.3.4']
] as readonly (readonly [string, string])[]

/** With these a message that has one request enrolls; some of them only together with others. */
const ENROLLING = new Set<string>([
  OID.szOID_CMC_ADD_ATTRIBUTES,
  OID.id_cmc_addExtensions,
  OID.id_cmc_transactionId,
  OID.id_cmc_senderNonce,
  OID.id_cmc_recipientNonce,
  OID.id_cmc_regInfo,
  OID.id_cmc_dataReturn,
  OID.id_cmc_identification,
  OID.id_cmc_identityProofV2,
  OID.id_cmc_popLinkRandom
])
/** Of these the control alone suffices. */
const PLAIN = new Set<string>([
  OID.id_cmc_transactionId,
  OID.id_cmc_senderNonce,
  OID.id_cmc_recipientNonce,
  OID.id_cmc_dataReturn
])

/** All that a message is taken for. What it is refused with must be an error of the program. */
function takenFor(message: Uint8Array): readonly string[] {
  const readers: readonly (readonly [string, () => unknown])[] = [
    ['enrollment', () => readEnrollmentRequest(message)],
    ['query', () => findPendingQuery(message)],
    ['revocation', () => findRevocationRequest(message)]
  ]
  return readers.filter(([, read]) => isRead(read)).map(([name]) => name)
}

function isRead(read: () => unknown): boolean {
  try {
    return read() !== undefined
  } catch (error) {
    if (!isAppError(error)) throw error
    return false
  }
}

/** What a message may be taken for at most. */
function allowed(body: string, oid: string): readonly string[] {
  if (body === 'a PKCS#10' || body === 'a CRMF request') return ENROLLING.has(oid) ? ['enrollment'] : []
  if (body !== 'no request') return []
  if (oid === OID.id_cmc_queryPending) return ['query']
  return oid === OID.id_cmc_revokeRequest ? ['revocation'] : []
}

/** A message with the body and with these controls, behind each other. */
function messageWith(forgery: CmcForgery, oids: readonly string[]): Promise<Uint8Array> {
  const controls = oids.map((oid, index) =>
    encodeTaggedAttribute(index + 2, oid, VALUES[oid] ?? encodeOctetString(Buffer.from('octets')))
  )
  return forgeCmc({ ...forgery, controls })
}

describe.each(Object.entries(BODIES))('a CMC message with %s', (body, forgery) => {
  it('is taken for no more than it says, whatever its control', async () => {
    const wrong: unknown[] = []
    for (const [name, oid] of CONTROLS) {
      const most = allowed(body, oid)
      const taken = takenFor(await messageWith(forgery, [oid]))
      const behind = takenFor(await messageWith(forgery, [OID.id_cmc_senderNonce, OID.id_cmc_dataReturn, oid]))
      if ([...taken, ...behind].some(one => !most.includes(one))) wrong.push({ name, taken, behind, most })
      const mustBeTaken = PLAIN.has(oid) || most[0] === 'query' || most[0] === 'revocation'
      if (mustBeTaken && taken[0] !== most[0]) wrong.push({ name, taken, most })
    }
    expect(wrong).toEqual([])
  })

  it('and no control is a request when there is one', async () => {
    const expected = body === 'a PKCS#10' || body === 'a CRMF request' ? ['enrollment'] : []
    expect(takenFor(await forgeCmc(forgery))).toEqual(expected)
  })
})
