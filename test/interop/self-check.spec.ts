import { createHash, X509Certificate } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { findBouncyCastle, runJava, runOpenssl } from './programs.js'
import { readVector, vectorPath } from '../helpers/vectors.js'

const idCctPkiData = '1.3.6.1.5.5.7.12.2'
const idCctPkiResponse = '1.3.6.1.5.5.7.12.3'
const issuedResponse = 'adcs/microsoft-full-response-issued.der'
const windowsArchival = 'adcs/windows-archival-rsa2048-user.der'

let directory: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'certkeep-interop-'))
  await makeSelfSigned('ca', '/CN=Interop CA', ['-addext', 'basicConstraints=critical,CA:TRUE'])
  await makeSelfSigned('exchange', '/O=Interop/CN=Interop CA-Xchg', ['-addext', 'keyUsage=critical,keyEncipherment'])
})

afterAll(() => rm(directory, { recursive: true, force: true }))

const at = (name: string): string => join(directory, name)

async function save(name: string, bytes: Uint8Array | string): Promise<string> {
  await writeFile(at(name), bytes)
  return at(name)
}

const sha = (algorithm: 'sha1' | 'sha256', bytes: Uint8Array): string =>
  createHash(algorithm).update(bytes).digest('hex')

/** The bytes with one bit of the byte at the first place of `mark`, or `offset` after it, turned over. */
function withFlippedBit(bytes: Uint8Array, mark: Uint8Array, offset = 0): Buffer {
  const copy = Buffer.from(bytes)
  const place = copy.indexOf(mark)
  expect(place).toBeGreaterThan(0)
  const value = copy[place + offset] ?? 0
  copy[place + offset] = value ^ 1
  return copy
}

async function makeSelfSigned(name: string, subject: string, extra: readonly string[] = []): Promise<void> {
  await runOpenssl([
    ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-utf8', '-set_serial', '1', '-subj', subject],
    ['-keyout', at(`${name}.key`), '-out', at(`${name}.pem`)],
    extra
  ])
}

/** A certificate of the CA above for a new key. */
async function issueCertificate(name: string): Promise<X509Certificate> {
  await runOpenssl([
    ['req', '-newkey', 'rsa:2048', '-nodes', '-subj', `/CN=${name}`],
    ['-keyout', at(`${name}.key`), '-out', at(`${name}.csr`)]
  ])
  await runOpenssl([
    ['x509', '-req', '-in', at(`${name}.csr`), '-days', '1', '-set_serial', '0x0c47'],
    ['-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-out', at(`${name}.pem`)]
  ])
  return new X509Certificate(await readFile(at(`${name}.pem`)))
}

/**
 * A full response made by OpenSSL alone: the sections describe the control sequence in the language of
 * ASN1_generate_nconf(3), and the CA above signs.
 */
async function makeResponse(name: string, sections: string, certificates: readonly string[] = []): Promise<string> {
  const description = `asn1=SEQUENCE:response
[response]
controls=SEQUENCE:controls
cms=SEQUENCE
other=SEQUENCE
${sections}`
  const body = at(`${name}.body`)
  const configuration = await save(`${name}.cnf`, description)
  await runOpenssl(['asn1parse', '-noout', '-genconf', configuration, '-out', body])
  await runOpenssl([
    ['cms', '-sign', '-binary', '-nodetach', '-md', 'sha256', '-econtent_type', idCctPkiResponse, '-in', body],
    ['-signer', at('ca.pem'), '-inkey', at('ca.key'), '-outform', 'DER', '-out', at(`${name}.der`)],
    certificates.flatMap(file => ['-certfile', file])
  ])
  return at(`${name}.der`)
}

describe('a missing program', () => {
  afterEach(() => {
    vi.unstubAllEnvs()
  })

  it('is named with the Debian package that brings it', async () => {
    vi.stubEnv('PATH', directory)
    await expect(runOpenssl(['version'])).rejects.toThrow(/openssl is not on the PATH.*apt-get install openssl$/)
  })

  it.each(['bcprov', 'bcutil', 'bcpkix'])('is also %s.jar of Bouncy Castle', absent => {
    const present = findBouncyCastle().filter(jar => !jar.includes(absent))
    vi.stubEnv('CERTKEEP_BC_JARS', present.join(delimiter))
    expect(() => findBouncyCastle()).toThrow(
      new RegExp(`${absent}\\.jar is not in .*apt-get install lib${absent}-java$`)
    )
  })
})

describe('VerifyFullResponse', () => {
  /** Certificates of the Microsoft response by the end of their subjects. */
  const authorities: Record<string, string> = {}

  beforeAll(async () => {
    const listing = await runOpenssl(['pkcs7', '-inform', 'DER', '-in', vectorPath(issuedResponse), '-print_certs'])
    for (const [pem] of listing.toString().matchAll(/-----BEGIN[^]+?-----END CERTIFICATE-----\n/g)) {
      const commonName = new X509Certificate(pem).subject.match(/CN=([^\n]*)(?!.*CN=)/)?.[1] ?? ''
      authorities[commonName] = await save(`${commonName}.pem`, pem)
    }
  })

  const issuer = (commonName: string): string => authorities[commonName] ?? `no certificate of ${commonName}`

  it('finds the response of a Microsoft CA signed by its issuing authority', async () => {
    const report = await runJava('VerifyFullResponse', [vectorPath(issuedResponse), issuer('FB_EntSubCA')])
    expect(report).toMatchObject({
      contentType: idCctPkiResponse,
      signerVerified: true,
      signerRefusal: null,
      status: 0,
      statusString: 'Issued',
      statusInfoVersion: 1,
      bodyList: [1],
      failInfo: null,
      pendToken: null,
      issuedCertificateHash: '58acd78e7e61b11ad73b2c6b41badca9100faf8e',
      hashMatchesCertificate: true,
      encryptedKeyHash: null,
      transactionId: null,
      recipientNonce: null
    })
    expect(report.certificates).toHaveLength(3)
    expect(report.issuedCertificate).toMatchObject({ serialNumber: '18d9d5d300000000003d', signedByCa: true })
  })

  it('does not take another certificate of the response for the signer', async () => {
    const report = await runJava('VerifyFullResponse', [vectorPath(issuedResponse), issuer('FB_EntRootCA')])
    expect(report).toMatchObject({ signerVerified: false, issuedCertificate: { signedByCa: false } })
  })

  it('notices one changed bit in the signed content', async () => {
    const hash = Buffer.from('58acd78e7e61b11ad73b2c6b41badca9100faf8e', 'hex')
    const changed = await save('changed-response.der', withFlippedBit(readVector(issuedResponse), hash))
    const report = await runJava('VerifyFullResponse', [changed, issuer('FB_EntSubCA')])
    expect(report).toMatchObject({ signerVerified: false, hashMatchesCertificate: false, issuedCertificate: null })
  })

  it('refuses a byte after the response', async () => {
    const longer = await save('longer.der', Buffer.concat([readVector(issuedResponse), Buffer.of(0)]))
    await expect(runJava('VerifyFullResponse', [longer, issuer('FB_EntSubCA')])).rejects.toThrow(/[Ee]xtra data/)
  })

  it('refuses a signed message that is no response', async () => {
    await expect(runJava('VerifyFullResponse', [vectorPath(windowsArchival), at('ca.pem')])).rejects.toThrow(
      'not PKIResponse'
    )
  })

  it('reads an issued certificate and an archived key out of what OpenSSL signed', async () => {
    const certificate = await issueCertificate('issued')
    const response = await makeResponse(
      'issued-response',
      `[controls]
status=SEQUENCE:status_control
added=SEQUENCE:added_control
[status_control]
id=INTEGER:1
type=OID:1.3.6.1.5.5.7.7.1
values=SET:status_values
[status_values]
value=SEQUENCE:status
[status]
code=INTEGER:0
body=SEQUENCE:body
text=UTF8:Issued
[body]
part=INTEGER:1
[added_control]
id=INTEGER:2
type=OID:1.3.6.1.4.1.311.10.10.1
values=SET:added_values
[added_values]
value=SEQUENCE:added
[added]
reference=INTEGER:0
parts=SEQUENCE:body
attributes=SET:attributes
[attributes]
a=SEQUENCE:certificate_hash
b=SEQUENCE:key_hash
[certificate_hash]
type=OID:1.3.6.1.4.1.311.21.17
values=SET:certificate_hash_values
[certificate_hash_values]
value=FORMAT:HEX,OCTETSTRING:${sha('sha1', certificate.raw)}
[key_hash]
type=OID:1.3.6.1.4.1.311.21.21
values=SET:key_hash_values
[key_hash_values]
value=FORMAT:HEX,OCTETSTRING:74eaf8108c8bc6e2fba7289975b440ce293d037f
`,
      [at('issued.pem')]
    )
    const report = await runJava('VerifyFullResponse', [response, at('ca.pem')])
    expect(report).toMatchObject({
      signerVerified: true,
      statusInfoVersion: 1,
      issuedCertificateHash: sha('sha1', certificate.raw),
      hashMatchesCertificate: true,
      encryptedKeyHash: '74eaf8108c8bc6e2fba7289975b440ce293d037f',
      issuedCertificate: {
        subject: 'CN=issued',
        issuer: 'CN=Interop CA',
        serialNumber: 'c47',
        sha256: sha('sha256', certificate.raw),
        publicKeySha256: sha('sha256', certificate.publicKey.export({ type: 'spki', format: 'der' })),
        signedByCa: true
      }
    })
  })

  const pending = `code=INTEGER:3
body=SEQUENCE:body
text=UTF8:Taken Under Submission
other=SEQUENCE:pending
[pending]
token=FORMAT:ASCII,OCTETSTRING:4711
time=GENTIME:20300102030405Z`
  const denied = `code=INTEGER:2
body=SEQUENCE:body
text=FORMAT:UTF8,UTF8:Müller not entitled
other=INTEGER:7`

  it.each([
    {
      state: 'pending',
      version: 1,
      oid: '1.3.6.1.5.5.7.7.1',
      status: pending,
      read: { status: 3, pendToken: '4711', pendTime: '20300102030405Z', failInfo: null }
    },
    {
      state: 'pending',
      version: 2,
      oid: '1.3.6.1.5.5.7.7.25',
      status: pending,
      read: { status: 3, pendToken: '4711', pendTime: '20300102030405Z', failInfo: null }
    },
    {
      state: 'denied',
      version: 1,
      oid: '1.3.6.1.5.5.7.7.1',
      status: denied,
      read: { status: 2, statusString: 'Müller not entitled', failInfo: 7, pendToken: null }
    },
    {
      state: 'denied',
      version: 2,
      oid: '1.3.6.1.5.5.7.7.25',
      status: denied,
      read: { status: 2, statusString: 'Müller not entitled', failInfo: 7, pendToken: null }
    }
  ])('reads $state in status info version $version, with the identifiers', async ({ state, version, oid, ...each }) => {
    const response = await makeResponse(
      `${state}-${version}`,
      `[controls]
status=SEQUENCE:status_control
transaction=SEQUENCE:transaction_control
nonce=SEQUENCE:nonce_control
[status_control]
id=INTEGER:1
type=OID:${oid}
values=SET:status_values
[status_values]
value=SEQUENCE:status
[body]
part=INTEGER:1
[transaction_control]
id=INTEGER:2
type=OID:1.3.6.1.5.5.7.7.5
values=SET:transaction_values
[transaction_values]
value=INTEGER:340282366920938463463374607431768211455
[nonce_control]
id=INTEGER:3
type=OID:1.3.6.1.5.5.7.7.7
values=SET:nonce_values
[nonce_values]
value=FORMAT:HEX,OCTETSTRING:00112233445566778899aabbccddeeff
[status]
${each.status}
`
    )
    expect(await runJava('VerifyFullResponse', [response, at('ca.pem')])).toMatchObject({
      signerVerified: true,
      statusInfoVersion: version,
      transactionId: '340282366920938463463374607431768211455',
      recipientNonce: '00112233445566778899aabbccddeeff',
      issuedCertificate: null,
      hashMatchesCertificate: null,
      ...each.read
    })
  })
})

describe('DecodeRequest', () => {
  it('verifies every signature of a Windows request with an archived key, and its hash', async () => {
    const report = await runJava('DecodeRequest', [vectorPath(windowsArchival)])
    expect(report).toMatchObject({
      contentType: idCctPkiData,
      encryptedKeyHash: '74eaf8108c8bc6e2fba7289975b440ce293d037f',
      request: { form: 'pkcs10', bodyPartId: 1, signatureVerified: true },
      signers: [{ keyFrom: 'request', keyId: report.request.keyId, verified: true }],
      archivedKey: {
        placement: 'unsigned-attribute',
        version: 0,
        recipients: [{ keyTransport: '1.2.840.113549.1.1.1' }],
        contentEncryption: '1.2.840.113549.3.7',
        hashMatches: true
      }
    })
  })

  it('hands out an envelope in which OpenSSL finds the private key of the request', async () => {
    const report = await runJava('DecodeRequest', [vectorPath(windowsArchival)])
    const envelope = Buffer.from(report.archivedKey?.envelope ?? '', 'base64')
    const exchangeKey = vectorPath('adcs/windows-archival-exchange-key.pkcs8.der')
    const blob = await runOpenssl(
      ['cms', '-decrypt', '-binary', '-inform', 'DER', '-inkey', exchangeKey, '-keyform', 'DER'],
      envelope
    )
    await runOpenssl(['rsa', '-inform', 'MSBLOB', '-check', '-noout'], blob)
    const publicKey = await runOpenssl(['rsa', '-inform', 'MSBLOB', '-pubout', '-outform', 'DER'], blob)
    expect(sha('sha256', publicKey)).toBe(report.request.publicKeySha256)
  })

  it('notices a changed envelope by its signed hash, though the signature does not cover it', async () => {
    const envelopedData = Buffer.from('06092a864886f70d010703', 'hex')
    const changed = withFlippedBit(readVector(windowsArchival), envelopedData, 400)
    const report = await runJava('DecodeRequest', [await save('changed-envelope.der', changed)])
    expect(report).toMatchObject({ signers: [{ verified: true }], archivedKey: { hashMatches: false } })
  })

  it('notices a changed PKCS#10 by its own signature and by that of the message', async () => {
    const subjectKeyIdentifier = Buffer.from('84f671ddd7e2b8510f13dd462d9ced5c94aaf22e', 'hex')
    const changed = withFlippedBit(readVector(windowsArchival), subjectKeyIdentifier)
    const report = await runJava('DecodeRequest', [await save('changed-request.der', changed)])
    expect(report).toMatchObject({ request: { signatureVerified: false }, signers: [{ verified: false }] })
  })

  it.each([
    ['certreq-archival-rsa1024.der', 'CN=TestCN,O=TestOrg', true],
    ['certreq-cmc-new.der', 'CN=TestCN,O=TestOrg', null],
    ['certreq-cmc-renewal.der', '', null]
  ])('verifies the signatures of %s', async (name, subject, hashMatches) => {
    const report = await runJava('DecodeRequest', [vectorPath(`adcs/${name}`)])
    expect(report.request).toMatchObject({ form: 'pkcs10', subject, signatureVerified: true })
    expect(report.signers.map(signer => signer.verified)).not.toContain(false)
    expect(report.archivedKey?.hashMatches ?? null).toBe(hashMatches)
  })

  it('refuses a signed message that is no CMC request', async () => {
    const onBehalf = vectorPath('adcs/certreq-pkcs7-onbehalf.der')
    await expect(runJava('DecodeRequest', [onBehalf])).rejects.toThrow('not PKIData')
  })
})

describe('MakeCrmfArchival', () => {
  const subject = 'CN=Jürgen Meier,O=Interop\\, Inc.,C=DE'
  const template = '1.3.6.1.4.1.311.21.8.1.2.3'
  let made: Awaited<ReturnType<typeof runJava<'MakeCrmfArchival'>>>

  beforeAll(async () => {
    const files = [at('exchange.pem'), subject, at('crmf.der'), at('crmf.key')]
    made = await runJava('MakeCrmfArchival', [...files, template])
  })

  it('makes a request that proves possession of the key it asks for', async () => {
    const report = await runJava('DecodeRequest', [at('crmf.der')])
    expect(report).toMatchObject({
      der: true,
      controls: ['1.3.6.1.5.5.7.7.5', '1.3.6.1.5.5.7.7.6'],
      transactionId: made.transactionId,
      senderNonce: made.nonce,
      request: {
        form: 'crmf',
        bodyPartId: made.bodyPartId,
        subject,
        publicKeySha256: made.publicKeySha256,
        keyId: made.keyId,
        signatureVerified: true,
        template
      },
      signers: [{ keyFrom: 'request', keyId: made.keyId, digestAlgorithm: '2.16.840.1.101.3.4.2.1', verified: true }],
      archivedKey: {
        placement: 'crmf-control',
        recipients: [
          { issuer: 'O=Interop,CN=Interop CA-Xchg', serialNumber: '1', keyTransport: '1.2.840.113549.1.1.1' }
        ],
        contentType: '1.2.840.113549.1.9.16.1.21',
        contentEncryption: '2.16.840.1.101.3.4.1.42'
      }
    })
  })

  it('makes a signature that OpenSSL verifies with a certificate for the same key', async () => {
    await runOpenssl([
      ['req', '-x509', '-new', '-key', at('crmf.key'), '-subj', '/CN=crmf', '-out', at('crmf.pem')],
      ['-addext', 'subjectKeyIdentifier=hash']
    ])
    const content = await runOpenssl([
      ['cms', '-verify', '-binary', '-inform', 'DER', '-in', at('crmf.der')],
      ['-certfile', at('crmf.pem'), '-CAfile', at('crmf.pem'), '-purpose', 'any']
    ])
    const printed = await runOpenssl(['cms', '-cmsout', '-print', '-noout', '-inform', 'DER', '-in', at('crmf.der')])
    expect(printed.toString()).toContain(`eContentType: id-cct-PKIData (${idCctPkiData})`)
    expect(content.includes(Buffer.from(made.nonce, 'hex'))).toBe(true)
  })

  it('archives the very private key, which OpenSSL finds with the exchange key', async () => {
    const report = await runJava('DecodeRequest', [at('crmf.der')])
    const envelope = Buffer.from(report.archivedKey?.envelope ?? '', 'base64')
    const opened = await runOpenssl(
      ['cms', '-decrypt', '-binary', '-inform', 'DER', '-inkey', at('exchange.key')],
      envelope
    )
    const encKeyWithId = await save('enc-key-with-id.der', opened)
    // EncKeyWithID ::= SEQUENCE { privateKey PrivateKeyInfo, identifier CHOICE { … } OPTIONAL }
    const inside = ['asn1parse', '-noout', '-inform', 'DER', '-in', encKeyWithId, '-strparse', '4']
    await runOpenssl([...inside, '-out', at('archived.key')])
    const archived = await runOpenssl(['pkey', '-inform', 'DER', '-in', at('archived.key'), '-outform', 'DER'])
    const kept = await runOpenssl(['pkey', '-in', at('crmf.key'), '-outform', 'DER'])
    expect(archived.equals(kept)).toBe(true)
    const publicKey = await runOpenssl(['pkey', '-in', at('crmf.key'), '-pubout', '-outform', 'DER'])
    expect(sha('sha256', publicKey)).toBe(made.publicKeySha256)
  })
})

describe('KeystoreCheck', () => {
  it.each([
    ['RSA', ['rsa:2048']],
    ['EC', ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256']],
    ['EdDSA', ['ed25519']]
  ])('opens a PKCS#12 file of OpenSSL with an %s key', async (keyAlgorithm, newKey) => {
    const name = at(`p12-${keyAlgorithm}`)
    await runOpenssl([
      ['req', '-x509', '-nodes', '-subj', '/CN=Jane', '-newkey', ...newKey],
      ['-keyout', `${name}.key`, '-out', `${name}.pem`]
    ])
    await runOpenssl([
      ['pkcs12', '-export', '-name', 'recovered', '-passout', 'pass:opensesame', '-out', `${name}.p12`],
      ['-inkey', `${name}.key`, '-in', `${name}.pem`]
    ])
    const publicKey = await runOpenssl(['pkey', '-in', `${name}.key`, '-pubout', '-outform', 'DER'])
    expect(await runJava('KeystoreCheck', ['opensesame', `${name}.p12`])).toEqual([
      {
        alias: 'recovered',
        keyAlgorithm,
        keyMatchesCertificate: true,
        publicKeySha256: sha('sha256', publicKey),
        chain: ['CN=Jane']
      }
    ])
    await expect(runJava('KeystoreCheck', ['opensesamf', `${name}.p12`])).rejects.toThrow('password was incorrect')
  })

  it('notices a certificate for another key', async () => {
    await makeSelfSigned('one', '/CN=Twin')
    await makeSelfSigned('two', '/CN=Twin')
    const [one, two] = await Promise.all(
      ['one', 'two'].map(async name => new X509Certificate(await readFile(at(`${name}.pem`))).raw)
    )
    // OpenSSL puts no certificate beside a key that is not its own; in the clear, with no MAC, one can take the other's place.
    await runOpenssl([
      ['pkcs12', '-export', '-name', 'mixed', '-nomac', '-certpbe', 'NONE', '-passout', 'pass:opensesame'],
      ['-inkey', at('one.key'), '-in', at('one.pem'), '-out', at('one.p12')]
    ])
    const file = await readFile(at('one.p12'))
    const place = file.indexOf(one ?? '')
    expect(place).toBeGreaterThan(0)
    expect(two?.copy(file, place)).toBe(one?.length)
    const [report] = await runJava('KeystoreCheck', ['opensesame', await save('mixed.p12', file)])
    expect(report).toMatchObject({ alias: 'mixed', keyMatchesCertificate: false, chain: ['CN=Twin'] })
  })
})
