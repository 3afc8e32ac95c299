import { createPrivateKey, hash } from 'node:crypto'
import {
  buildResponseBody,
  decodeFullResponse,
  decodeRequestMessage,
  decodeStoredRequest,
  encodeAddAttributes,
  encodePkcs10RequestSequence,
  encodePkiData,
  encodeTaggedAttribute,
  findArchivedKey,
  findIssuedCertificate,
  findIssuedChain,
  inspectRequest,
  matchesEnvelope,
  readEnrollmentRequest,
  readFullResponseProperty,
  verifyEndorsements,
  verifyFullResponse,
  type CmcMessage,
  type InspectedRequest,
  type OpenedArchivedKey
} from '@app/cmc'
import { decodeEnvelopedData, decodeSignedData, openEnvelopedData, unwrapContentKey } from '@app/cms'
import { equalBytes, toHex, type ErrorCode } from '@app/core'
import { decodeDerPemOrBase64 } from '@app/der'
import { OID } from '@app/oid'
import { applicationPoliciesOf, requireAgent, requireSoundRenewal } from '@app/policy'
import { decodeCertificate, type Certificate, type PublicKeyInfo } from '@app/x509'
import { describe, expect, it } from 'vitest'
import { codeOf } from '../helpers/x509-samples.js'
import { readVector } from '../helpers/vectors.js'

const read = (name: string): Uint8Array => readVector(`adcs/${name}.der`)

describe('real Windows requests', () => {
  const certreq = {
    clientInfo: {
      clientId: 9,
      machine: 'vich3d.jdomcsc.nttest.microsoft.com',
      user: 'JDOMCSC\\administrator',
      process: 'certreq'
    },
    osVersion: '6.0.5361.2',
    template: { names: ['User'] }
  }
  const autoenrollment = {
    template: {
      names: [],
      oid: '1.3.6.1.4.1.311.21.8.10998015.4198218.6898329.11679014.10423712.128.12396513.1783547',
      major: 100,
      minor: 135
    }
  }
  const accepted: readonly (readonly [name: string, facts: object, keyHash: string | undefined])[] = [
    ['certreq-pkcs10', { format: 'pkcs10', ...certreq }, undefined],
    ['wstep-request-pkcs10', { format: 'pkcs10', osVersion: '6.1.7053.2', template: { names: ['User'] } }, undefined],
    ['certreq-cmc-new', { format: 'cmc', ...certreq }, undefined],
    ['certreq-archival-rsa1024', { format: 'cmc', ...certreq }, '7746e7e66bb597a67d08bf6e059c79e16dd66b83'],
    ['windows-archival-rsa2048-user', { format: 'cmc', ...autoenrollment }, '74eaf8108c8bc6e2fba7289975b440ce293d037f']
  ]

  it.each(accepted)('%s is accepted once SHA-1 is', (name, facts, keyHash) => {
    const bytes = read(name)
    const request = readEnrollmentRequest(bytes, { allowSha1: true })
    expect(request).toMatchObject({ dialect: 'microsoft', bodyPartId: 1, proof: { digest: 'sha1' }, ...facts })
    expect(request.archivedKey === undefined ? undefined : toHex(request.archivedKey.hash.value)).toBe(keyHash)
    expect(codeOf(() => readEnrollmentRequest(bytes))).toBe('cms_algorithm_not_allowed')
  })

  const refused: readonly (readonly [name: string, code: ErrorCode, reason: string])[] = [
    ['keygen-spkac', 'form_not_supported', 'KEYGEN'],
    ['microsoft-full-response-issued', 'message_type_invalid', 'full response'],
    ['microsoft-issued-certificate', 'message_type_invalid', 'neither a PKCS#10'],
    ['microsoft-exchange-certificate', 'message_type_invalid', 'neither a PKCS#10'],
    ['windows-archival-exchange-key.pkcs8', 'message_type_invalid', 'neither a PKCS#10']
  ]

  it.each(refused)('%s is refused as %s', (name, code, reason) => {
    expect(() => readEnrollmentRequest(read(name), { allowSha1: true })).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(reason) })
    )
  })

  it('certreq-cmc-renewal renews a certificate that it does not bring and whose key did not sign', () => {
    const { format, signers, renewal, proof } = readEnrollmentRequest(read('certreq-cmc-renewal'), { allowSha1: true })
    expect({ format, signers, proof }).toMatchObject({ format: 'cmc', signers: [], proof: { digests: ['sha1'] } })
    expect(renewal).toMatchObject({ isEmbedded: false, certificate: { serialHex: '248f7d3c00000000086e' } })
    expect(decodeStoredRequest(read('certreq-cmc-renewal'))).toMatchObject({ isEndorsed: true })
  })

  it('certreq-pkcs7-onbehalf is signed by an enrollment agent, whose signature covers the account', () => {
    const bytes = read('certreq-pkcs7-onbehalf')
    const { format, signers, onBehalfOf, template } = readEnrollmentRequest(bytes, { allowSha1: true })
    expect({ format, template }).toMatchObject({ format: 'pkcs7', template: { names: ['User'] } })
    expect(onBehalfOf).toMatchObject({ account: 'Domain\\TargetUser', signers })
    expect(signers.map(({ serialHex }) => serialHex)).toEqual(['588cf81a000000000b57'])
    expect(applicationPoliciesOf(signers[0] as Certificate)).toEqual([OID.szOID_ENROLLMENT_AGENT])
    expect(verifyEndorsements(bytes)).toEqual({ signers, onBehalfOf })
    expect(codeOf(() => readEnrollmentRequest(bytes))).toBe('cms_algorithm_not_allowed')
  })

  it('what cepces sends over WSTEP is a PKCS#10, whatever the message calls it', () => {
    const soap = readVector('adcs/cepces_0.3.17_wstep_issue.xml').toString('utf8')
    const token = /<[^>]*BinarySecurityToken[^>]*>([A-Za-z0-9+/=\s]+)</.exec(soap)?.[1] ?? ''
    const request = readEnrollmentRequest(decodeDerPemOrBase64(Buffer.from(token)))
    expect(request).toMatchObject({ format: 'pkcs10', signers: [], proof: { kind: 'signature', digest: 'sha256' } })
    expect(request.renewal ?? request.onBehalfOf).toBeUndefined()
  })

  // No CA of this program issued what these two are signed with or renew; that is the exact reason why they get nothing.
  it.each([
    ['certreq-cmc-renewal', 'renewal_certificate'],
    ['certreq-pkcs7-onbehalf', 'signer_untrusted']
  ])('%s is denied as %s where its CA is unknown', (name, code) => {
    const { signers, renewal, onBehalfOf } = verifyEndorsements(read(name))
    const known = (certificate: Certificate) => ({ certificate })
    expect(
      codeOf(() => {
        if (renewal !== undefined) {
          requireSoundRenewal({ ...renewal, old: known(renewal.certificate) }, 'whoever', new Date('2006-06-01'))
        }
        if (onBehalfOf !== undefined) requireAgent({ signers: signers.map(known), callerId: 'agent' }, new Date())
      })
    ).toBe(code)
  })

  const archival = ['certreq-archival-rsa1024', 'windows-archival-rsa2048-user']

  it.each(archival)('%s is stored without its key and with its signature valid', name => {
    const bytes = read(name)
    const { stored, archivedKey } = readEnrollmentRequest(bytes, { allowSha1: true })
    const tail = Buffer.from(archivedKey?.envelope ?? []).subarray(-64)
    expect(Buffer.from(bytes).includes(tail)).toBe(true)
    expect(Buffer.from(stored).includes(tail)).toBe(false)
    expect(decodeSignedData(stored).signerInfos[0]?.unsignedAttributes).toEqual([])
    // The signature is checked before the missing key is found.
    expect(codeOf(() => readEnrollmentRequest(stored, { allowSha1: true }))).toBe('cmc_key_hash_mismatch')
    expect(decodeStoredRequest(stored).keyHash?.value).toEqual(archivedKey?.hash.value)
  })

  it.each(archival)('%s: the hash covers the whole ContentInfo', name => {
    const found = findArchivedKey(decodeRequestMessage(read(name)))
    const value = hash('sha1', found?.envelope ?? '', 'buffer')
    expect(matchesEnvelope({ algorithm: 'sha1', value }, found?.envelope ?? new Uint8Array())).toBe(true)
    expect(readEnrollmentRequest(read(name), { allowSha1: true }).archivedKey?.hash.value).toEqual(value)
  })

  it.each([...archival, 'certreq-cmc-new', 'certreq-cmc-renewal'])('%s: what this program writes is the same', name => {
    const message = decodeRequestMessage(read(name)) as CmcMessage
    const controls = message.controls.map(control => {
      if (control.kind !== 'addAttributes') throw new Error(`unexpected ${control.kind}`)
      const value = encodeAddAttributes(
        control.certReferences,
        control.attributes.map(({ raw }) => raw)
      )
      return encodeTaggedAttribute(control.bodyPartId, OID.szOID_CMC_ADD_ATTRIBUTES, value)
    })
    const request = message.request.kind === 'pkcs10' ? message.request.request.raw : new Uint8Array()
    const requestSequence = encodePkcs10RequestSequence(message.request.bodyPartId, request)
    expect(toHex(encodePkiData({ controls, requestSequence }))).toBe(toHex(message.content))
  })
})

describe('an inspection of real messages', () => {
  it.each([
    ['certreq-pkcs10', 'pkcs10', true, 'sha1', true],
    ['wstep-request-pkcs10', 'pkcs10', true, 'sha1', true],
    ['certreq-cmc-new', 'cmc', true, 'sha1', true],
    ['certreq-cmc-renewal', 'cmc', true, 'sha1', true],
    ['certreq-archival-rsa1024', 'cmc', true, 'sha1', true],
    ['windows-archival-rsa2048-user', 'cmc', true, 'sha1', true],
    ['certreq-pkcs7-onbehalf', 'pkcs7', true, 'sha1', true],
    ['keygen-spkac', 'keygen', false, 'md5', false]
  ])('%s is a %s, its signature valid: %s', async (name, format, valid, digestAlgorithm, possession) => {
    expect(await inspectRequest(read(name))).toMatchObject({
      format,
      signature: { valid, digestAlgorithm },
      proofOfPossession: { valid: possession }
    })
  })

  it('tells for whom and by whom a request on behalf of another is made', async () => {
    expect(await inspectRequest(read('certreq-pkcs7-onbehalf'))).toMatchObject({
      onBehalfOf: 'Domain\\TargetUser',
      renewal: null,
      signature: { signer: { kind: 'certificate', serialNumber: '588cf81a000000000b57' } }
    })
  })

  it('tells which certificate a renewal renews', async () => {
    expect(await inspectRequest(read('certreq-cmc-renewal'))).toMatchObject({
      onBehalfOf: null,
      renewal: { serialNumber: '248f7d3c00000000086e', notAfter: '2007-04-24T23:13:30.000Z' }
    })
  })

  it('tells what an archived key is wrapped with, and opens it for a caller with the exchange key', async () => {
    const exchangeKey = createPrivateKey({
      key: Buffer.from(read('windows-archival-exchange-key.pkcs8')),
      format: 'der',
      type: 'pkcs8'
    })
    const openArchivedKey = async (envelope: Uint8Array, requestKey: PublicKeyInfo): Promise<OpenedArchivedKey> => {
      const blob = await openEnvelopedData(decodeEnvelopedData(envelope), async (encryptedKey, transport) =>
        unwrapContentKey(exchangeKey, encryptedKey, transport)
      )
      const bits = Buffer.from(blob).readUInt32LE(12)
      const modulus = Uint8Array.from(blob.subarray(20, 20 + bits / 8)).toReversed()
      const matchesRequest = equalBytes(modulus, requestKey.modulus ?? new Uint8Array())
      return { format: 'capi', algorithm: 'rsa', bits, matchesRequest }
    }
    const inspection = await inspectRequest(read('windows-archival-rsa2048-user'), { openArchivedKey })
    expect((inspection as InspectedRequest).archivedKey).toEqual({
      present: true,
      placement: 'unsigned-attribute',
      recipient: { issuer: 'CN=Issuer2', serialNumber: '57de0e626d8b863629bafc07367785a1e2319737' },
      keyTransport: 'rsaes-pkcs1-v1_5',
      contentEncryption: 'des-ede3-cbc',
      keyHash: { algorithm: 'sha1', matches: true },
      opened: { format: 'capi', algorithm: 'rsa', bits: 2048, matchesRequest: true }
    })
  })
})

describe('a real full response', () => {
  const response = decodeFullResponse(read('microsoft-full-response-issued'))
  const issued = findIssuedCertificate(response)
  const [, subCa] = findIssuedChain(response)

  it('holds the certificate whose hash it states', () => {
    expect(toHex(issued?.raw ?? new Uint8Array())).toBe(toHex(read('microsoft-issued-certificate')))
    expect(toHex(response.issuedCertificateHash ?? new Uint8Array())).toBe('58acd78e7e61b11ad73b2c6b41badca9100faf8e')
    expect(response.encryptedKeyHash).toBeUndefined()
  })

  it('verifies with the issuing CA, once SHA-1 is allowed', () => {
    if (subCa === undefined) throw new Error('The response lacks its CA.')
    const trust = { caCertificate: subCa, allowSha1: true }
    expect(verifyFullResponse(response, trust)).toMatchObject({ digest: 'sha1' })
    expect(codeOf(() => verifyFullResponse(response, { caCertificate: subCa }))).toBe('response_signature')
    const root = response.certificates.find(({ issuer, subject }) => equalBytes(issuer.raw, subject.raw))
    expect(root && codeOf(() => verifyFullResponse(response, { caCertificate: root, allowSha1: true }))).toBe(
      'response_signature'
    )
  })

  it('has the content that this program would write', () => {
    const body = buildResponseBody({
      dialect: 'microsoft',
      status: 'success',
      statusString: 'Issued',
      issuedCertificate: issued?.raw ?? new Uint8Array(),
      bodyPartId: 1
    })
    expect(toHex(body)).toBe(toHex(response.content))
  })

  it.each([
    [2, 1],
    [3, '1'],
    [4, 0],
    [5, 'Issued'],
    [6, 0]
  ])('has property %i with value %s', (property, value) => {
    expect(readFullResponseProperty(response, property)).toBe(value)
  })

  it('gives itself, its content, the certificate, its hash and its chain as properties', () => {
    const bytes = (property: number): Uint8Array => readFullResponseProperty(response, property) as Uint8Array
    expect(toHex(bytes(1))).toBe(toHex(read('microsoft-full-response-issued')))
    expect(toHex(bytes(15))).toBe(toHex(response.content))
    expect(toHex(bytes(11))).toBe(toHex(read('microsoft-issued-certificate')))
    expect(toHex(bytes(10))).toBe(hash('sha1', Buffer.from(bytes(11))))
    for (const property of [12, 13]) {
      const serials = decodeSignedData(bytes(property)).certificates.map(raw => decodeCertificate(raw).serialHex)
      expect(serials.toSorted()).toEqual([
        '18d9d5d300000000003d',
        '1ea85f75e770f39f4a341b6ec7f30e91',
        '610c7cdc000000000002'
      ])
    }
  })

  it.each([7, 8, 9, 14, 16, 17, 18, 19, 20, 21, 22])('has no value for property %i', property => {
    expect(codeOf(() => readFullResponseProperty(response, property))).toBe('property_empty')
  })

  it('is inspected with its status, hash and certificates', async () => {
    expect(await inspectRequest(response.raw)).toMatchObject({
      format: 'full-response',
      signature: { valid: true, digestAlgorithm: 'sha1' },
      status: { value: 0, name: 'success', string: 'Issued' },
      issuedCertificateHash: { algorithm: 'sha1', matches: true },
      encryptedKeyHash: null
    })
  })
})
